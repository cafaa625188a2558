# What goes along with the commits of a plane: fences in and out, and a picture that is written back.
from libc.stdint cimport int32_t, uint32_t, uint64_t

from zcore._changes cimport Changes
from zcore._dmabuf cimport pthread_mutex_t


# What one plane adds to one commit. It lies on the stack of the function that makes the call, because the kernel writes
# the numbers of new fences into it, and outlives the call therefore.
cdef struct Extra:
    int in_fence  # of the frame, -1 = none
    int32_t out_fence
    int32_t job_fence
    uint32_t job  # framebuffer to write back into, 0 = none
    uint32_t withheld  # the one that was left out for the second try
    int refused  # what was wrong with the job, 0 = nothing


cdef class CommitExtras:
    cdef readonly uint32_t in_fence_property  # 0 = the plane has none
    cdef readonly uint32_t out_fence_property  # 0 = not asked for
    cdef readonly uint32_t connector  # of the writeback job
    cdef readonly uint64_t in_fences
    cdef readonly uint64_t jobs
    cdef uint32_t job_framebuffer_property
    cdef uint32_t job_fence_property
    cdef pthread_mutex_t lock
    cdef int out_fence  # of the latest commit, -1 = none, or it was taken
    cdef uint32_t job  # framebuffer that the next commit writes back into, 0 = none
    cdef int job_fence  # -1 = not committed yet, below = -errno - 1
    cdef int bell  # eventfd: rings when a job was committed

    cdef bint adds(self, int in_fence) noexcept nogil  # whether a commit is more than the picture
    cdef void begin(self, Extra *extra, int in_fence) noexcept nogil
    cdef void add(self, Extra *extra, uint32_t plane, uint32_t crtc, bint tell, Changes *changes) noexcept nogil
    cdef void settle(self, Extra *extra, int result) noexcept nogil
    cdef void arm(self, uint32_t framebuffer) noexcept nogil
    cdef int disarm(self) noexcept nogil  # 1 = nobody has begun to commit it; else the bell rings with the outcome
    cdef int take_job(self, int *fence) noexcept nogil  # 1 = committed, 0 = not yet, or -errno


# NONBLOCK; 0 or -errno. `fence` is a new sync_file that signals when the picture is written.
cdef int commit_writeback(int card, uint32_t connector, uint32_t fb_property, uint32_t framebuffer,
                          uint32_t fence_property, int *fence) noexcept nogil

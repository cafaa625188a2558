"""What goes along with the commits of a plane: fences in and out, and a picture that the card writes back."""

cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t

from zcore._changes cimport Changes, changes_add, changes_begin, changes_commit
from zcore._dmabuf cimport pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock
from zcore._errors cimport check
from zcore._fence cimport fence_take
from zcore._sys cimport sys_close, sys_notify
from zcore.uapi.drm cimport ZC_DRM_MODE_ATOMIC_NONBLOCK


cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int initial, int flags)
    enum:
        EFD_CLOEXEC
        EFD_NONBLOCK


@cython.final
cdef class CommitExtras:
    """What goes along with the commits of a plane.

    The kernel writes the descriptor of a new fence to where a property points while it commits (an ``s32``). That place
    is in an `Extra` on the stack of the function that makes the call, so it outlives the call, and nothing else does.

    Parameters
    ----------
    in_fence_property, out_fence_property : int
        Ids of the plane's IN_FENCE_FD and of the CRTC's OUT_FENCE_PTR; 0 = without.
    """

    def __cinit__(self):
        pthread_mutex_init(&self.lock, NULL)
        self.out_fence = self.job_fence = self.bell = -1

    def __init__(self, uint32_t in_fence_property=0, uint32_t out_fence_property=0):
        self.in_fence_property = in_fence_property
        self.out_fence_property = out_fence_property
        self.bell = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd", "writeback")

    def __dealloc__(self):
        for fd in (self.out_fence, self.job_fence, self.bell):
            if fd >= 0:
                sys_close(fd)
        pthread_mutex_destroy(&self.lock)

    def write_back(self, uint32_t connector, uint32_t framebuffer_property, uint32_t fence_property):
        """Say which connector writes pictures back, with the ids of WRITEBACK_FB_ID and WRITEBACK_OUT_FENCE_PTR."""
        self.connector = connector
        self.job_framebuffer_property = framebuffer_property
        self.job_fence_property = fence_property

    def take_out_fence(self):
        """Give the fence of the latest commit, which signals when its picture is on the screen; ``None`` = none."""
        pthread_mutex_lock(&self.lock)
        cdef int fence = self.out_fence
        self.out_fence = -1
        pthread_mutex_unlock(&self.lock)
        return fence_take(fence) if fence >= 0 else None

    # Without the GIL from here on

    cdef bint adds(self, int in_fence) noexcept nogil:
        return self.out_fence_property != 0 or self.job != 0 or (in_fence >= 0 and self.in_fence_property != 0)

    cdef void begin(self, Extra *extra, int in_fence) noexcept nogil:
        extra.in_fence = in_fence if self.in_fence_property else -1
        extra.out_fence = extra.job_fence = -1
        extra.refused = 0
        # Not held over the call, which may take a while: others ask with the GIL, which is the outermost lock.
        pthread_mutex_lock(&self.lock)
        extra.job, self.job = self.job, 0
        pthread_mutex_unlock(&self.lock)

    cdef void add(self, Extra *extra, uint32_t plane, uint32_t crtc, bint tell, Changes *changes) noexcept nogil:
        if extra.in_fence >= 0:
            changes_add(changes, plane, self.in_fence_property, extra.in_fence)
        if tell and self.out_fence_property:  # one for each CRTC: the kernel would forget an earlier pointer
            changes_add(changes, crtc, self.out_fence_property, <uint64_t>&extra.out_fence)
        if extra.job:
            changes_add(changes, self.connector, self.job_framebuffer_property, extra.job)
            changes_add(changes, self.connector, self.job_fence_property, <uint64_t>&extra.job_fence)

    cdef void settle(self, Extra *extra, int result) noexcept nogil:
        cdef int old = -1
        cdef bint told = False
        pthread_mutex_lock(&self.lock)
        if result < 0:  # not the job's fault, or not known: it goes along with the next try
            if extra.job and not self.job:
                self.job = extra.job
        else:
            told = extra.job != 0
            if extra.refused:
                self.job_fence = extra.refused - 1
            elif extra.job:
                self.job_fence = extra.job_fence
                self.jobs += 1
            self.in_fences += extra.in_fence >= 0
            if self.out_fence_property:
                old, self.out_fence = self.out_fence, extra.out_fence
        pthread_mutex_unlock(&self.lock)
        if told:
            sys_notify(self.bell)
        if old >= 0:
            sys_close(old)

    cdef void arm(self, uint32_t framebuffer) noexcept nogil:
        pthread_mutex_lock(&self.lock)
        self.job = framebuffer
        pthread_mutex_unlock(&self.lock)

    cdef int disarm(self) noexcept nogil:
        cdef int result
        pthread_mutex_lock(&self.lock)
        result = self.job != 0
        self.job = 0
        pthread_mutex_unlock(&self.lock)
        return result

    cdef int take_job(self, int *fence) noexcept nogil:
        cdef int result
        pthread_mutex_lock(&self.lock)
        result = 0 if self.job_fence == -1 else 1 if self.job_fence >= 0 else self.job_fence + 1
        fence[0] = self.job_fence
        self.job_fence = -1
        pthread_mutex_unlock(&self.lock)
        return result


cdef int commit_writeback(int card, uint32_t connector, uint32_t fb_property, uint32_t framebuffer,
                          uint32_t fence_property, int *fence) noexcept nogil:
    cdef Changes changes
    cdef int32_t written = -1
    cdef int result
    changes_begin(&changes)
    changes_add(&changes, connector, fb_property, framebuffer)
    changes_add(&changes, connector, fence_property, <uint64_t>&written)
    result = changes_commit(&changes, card, ZC_DRM_MODE_ATOMIC_NONBLOCK, 0)
    fence[0] = written
    return result

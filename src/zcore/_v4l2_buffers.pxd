# The buffers of a V4L2 queue.
from libc.stdint cimport uint32_t, uint64_t

from zcore._fd cimport Fd
from zcore._pool cimport MAX_PLANES, MAX_SLOTS, Pool


cdef enum QueueState:
    QUEUE_EMPTY  # no buffers
    QUEUE_READY  # buffers, not streaming
    QUEUE_STREAMING
    QUEUE_ENDED  # LAST was seen: no DQBUF before a restart
    QUEUE_FAILED  # EIO: needs STREAMOFF
    QUEUE_GONE  # ENODEV


cdef class QueueBuffers:
    cdef readonly Fd fd
    cdef readonly str name
    cdef readonly uint32_t type
    cdef readonly uint32_t memory
    cdef readonly int count  # buffers that the driver granted
    cdef readonly uint32_t capabilities  # V4L2_BUF_CAP_*, as VIDIOC_REQBUFS told
    cdef readonly bint non_coherent  # memory that needs cache maintenance was asked for and granted
    cdef readonly bint exported  # its own buffers are DMA-BUFs
    cdef readonly int allocated  # of `count`, those that allocate() got; the rest came by growing
    cdef uint32_t cache_hints  # flags of every VIDIOC_QBUF
    cdef uint32_t unfreed  # memory type of buffers that the driver would not let go; 0 = there are none
    cdef Pool leftover  # of these, where they are not to be mapped or exported when they go
    cdef readonly Pool pool  # own buffers, or the foreign pool that a CAPTURE queue fills
    cdef int c_state
    cdef bint multiplanar
    cdef bint output
    cdef int holder
    cdef int plane_count
    cdef uint32_t plane_size[MAX_PLANES]
    cdef uint64_t bound_pool[MAX_SLOTS]  # per V4L2 index: which buffer the kernel has attached there
    cdef int bound_slot[MAX_SLOTS]
    cdef object __weakref__

    cdef int _add_own_slot(self, Pool pool, int index, bint export) except -1
    cdef int _let_go(self, Pool pool) except -1

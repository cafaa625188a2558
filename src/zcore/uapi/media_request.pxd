# The part of <linux/media.h> that requests need (Linux 4.20).

cdef extern from "<linux/media.h>" nogil:
    const unsigned long MEDIA_IOC_REQUEST_ALLOC, MEDIA_REQUEST_IOC_QUEUE, MEDIA_REQUEST_IOC_REINIT

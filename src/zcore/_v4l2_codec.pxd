# What codecs have beyond queues: commands and events. 0 or more, or -errno.
cdef int codec_stop(int fd, bint decoder) noexcept nogil
cdef int codec_source_change(int fd) noexcept nogil  # 1 = the stream is of another kind from here on, 0 = no event

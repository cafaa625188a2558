# What codecs have beyond queues: commands and events. 0 or more, or -errno.
cdef int codec_command(int fd, bint decoder, bint stop) noexcept nogil  # stop: drain; else go on after that
cdef int codec_source_change(int fd) noexcept nogil  # 1 = the stream is of another kind from here on, 0 = no event

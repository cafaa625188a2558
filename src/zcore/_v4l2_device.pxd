from zcore._fd cimport Fd


cdef class V4l2Device:
    cdef readonly Fd fd
    cdef readonly str path
    cdef readonly str driver
    cdef readonly str card
    cdef readonly str bus
    cdef readonly unsigned int capabilities  # of this node (device_caps)

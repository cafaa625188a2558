from zcore._fd cimport Fd


cdef class V4l2Device:
    cdef readonly Fd fd
    cdef readonly str path
    cdef readonly str driver
    cdef readonly str card
    cdef readonly str bus
    cdef readonly unsigned int capabilities  # of this node (device_caps)
    cdef public object events  # its EventHub, once somebody waits for events
    cdef public object switchboard  # who of the thin half waits for which

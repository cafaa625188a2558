from zcore._fd cimport Fd


cdef class Card:
    cdef readonly Fd fd
    cdef readonly str path
    cdef readonly str driver
    cdef readonly bint atomic
    cdef readonly bint writeback
    cdef dict handles  # DMA-BUF identity -> [GEM handle, users]
    cdef object lock  # covers `handles` and the calls that make and close handles

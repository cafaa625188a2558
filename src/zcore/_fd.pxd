cdef class Fd:
    cdef readonly int number  # -1 when closed
    cdef readonly str name  # path or description, for messages
    cdef int owner  # process that opened it: a forked child must not undo what its parent set up

    @staticmethod
    cdef Fd take(int number, str name)
    cdef bint ours(self) noexcept nogil

# Names of those who hold frames, as numbers that need no GIL.
cdef int holder_id(str name) except -1
cdef str holder_name(int number)

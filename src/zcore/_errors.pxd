# The one place where -errno becomes an exception.
cdef int check(int result, str operation, str device) except -1
cdef object device_error(int code, str operation, str device, str detail=*)

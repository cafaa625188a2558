"""Names of those who hold frames, as small numbers: a frame changes hands without touching Python."""

import threading

_names = ["python"]  # few and bounded: names of stages, links and devices
_numbers = {"python": 0}  # HOLDER_PYTHON
_lock = threading.Lock()


cdef int holder_id(str name) except -1:
    with _lock:
        if name not in _numbers:
            _names.append(name)
            _numbers[name] = len(_names) - 1
        return _numbers[name]


cdef str holder_name(int number):
    return _names[number]

# cython: language_level=3
"""Floors: what an operation costs in a C loop, without Python and without zcore.

Each function makes `turns` turns and gives something that the bench can check.
"""

cimport numpy as cnp
from cpython.ref cimport Py_INCREF
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint64_t
from posix.unistd cimport read


cdef extern from "<sys/ioctl.h>" nogil:
    int ioctl(int fd, unsigned long request, void *argument)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *fds, unsigned long count, int timeout)
    enum: POLLIN

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyArray_Descr:
        pass
    object PyArray_NewFromDescr(
        void *subtype, PyArray_Descr *descr, int nd, const cnp.npy_intp *dims, const cnp.npy_intp *strides, void *data,
        int flags, void *obj,
    )
    void *PyArray_Type_address "&PyArray_Type"

cnp.import_array()


def ioctl_loop(long turns, int fd, unsigned long request):
    """One ioctl with an argument of 88 bytes; the first number in it."""
    cdef char argument[88]
    cdef long i
    for i in range(turns):
        while ioctl(fd, request, argument) < 0 and errno == EINTR:
            pass
    return (<int *>argument)[0]


def read_nothing_loop(long turns, int fd):
    """Reads of an empty pipe; how many said so by EAGAIN."""
    cdef char target[8]
    cdef long i, empty = 0
    for i in range(turns):
        if read(fd, target, sizeof(target)) < 0 and errno == EAGAIN:
            empty += 1
    return empty


cdef extern from * nogil:
    """
    #include <pthread.h>
    struct stack { pthread_mutex_t lock; int count, numbers[8]; };

    static __attribute__((noinline)) int stack_take(struct stack *stack)
    {
        pthread_mutex_lock(&stack->lock);
        int number = stack->numbers[--stack->count];
        pthread_mutex_unlock(&stack->lock);
        return number;
    }

    static __attribute__((noinline)) void stack_give(struct stack *stack, int number)
    {
        pthread_mutex_lock(&stack->lock);
        stack->numbers[stack->count++] = number;
        pthread_mutex_unlock(&stack->lock);
    }

    static void stack_fill(struct stack *stack)
    {
        pthread_mutex_init(&stack->lock, NULL);
        for (stack->count = 0; stack->count < 8; stack->count++)
            stack->numbers[stack->count] = stack->count;
    }
    """
    struct stack:
        int count
    int stack_take(stack *stack)
    void stack_give(stack *stack, int number)
    void stack_fill(stack *stack)


def pool_loop(long turns):
    """Eight numbers on a stack with a mutex, one taken and given back; how many are there at the end."""
    cdef stack numbers
    cdef long i
    stack_fill(&numbers)
    for i in range(turns):
        stack_give(&numbers, stack_take(&numbers))
    return numbers.count


def view_loop(long turns, owner, const unsigned char[::1] memory, dtype, tuple shape, tuple strides, size_t offset=0):
    """An array over memory with its owner as base, made and dropped; the last one."""
    cdef cnp.npy_intp c_shape[4]
    cdef cnp.npy_intp c_strides[4]
    cdef int dimensions = len(shape)
    cdef long i
    for i in range(dimensions):
        c_shape[i] = shape[i]
        c_strides[i] = strides[i]
    array = None
    for i in range(turns):
        Py_INCREF(dtype)
        array = PyArray_NewFromDescr(
            PyArray_Type_address, <PyArray_Descr *><void *>dtype, dimensions, c_shape, c_strides,
            <char *>&memory[0] + offset, 0, NULL,
        )
        cnp.set_array_base(array, owner)
    return array


def bracket_loop(long turns, int fd, unsigned long request, uint64_t start, uint64_t end):
    """Fences looked at, START, END; how many went well."""
    cdef pollfd one
    cdef long i, good = 0
    one.fd = fd
    one.events = POLLIN
    for i in range(turns):
        if poll(&one, 1, 0) == 1 and ioctl(fd, request, &start) == 0 and ioctl(fd, request, &end) == 0:
            good += 1
    return good

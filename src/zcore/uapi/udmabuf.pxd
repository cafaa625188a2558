# <linux/udmabuf.h>. The item list is a flexible array: allocate count items behind the header.
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "uapi/zc_dmabuf.h" nogil:
    struct zc_udmabuf_create:
        uint32_t memfd, flags
        uint64_t offset, size

    struct zc_udmabuf_create_item:
        uint32_t memfd, __pad
        uint64_t offset, size

    struct zc_udmabuf_create_list:
        uint32_t flags, count
        zc_udmabuf_create_item list[1]

    const unsigned long ZC_UDMABUF_CREATE, ZC_UDMABUF_CREATE_LIST

    const uint32_t ZC_UDMABUF_FLAGS_CLOEXEC

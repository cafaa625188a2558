# What stateless decoders are told, through zc_stateless.h.
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "uapi/zc_stateless.h" nogil:
    struct zc_v4l2_ctrl_fwht_params:
        uint64_t backward_ref_ts
        uint32_t version, width, height, flags, colorspace, xfer_func, ycbcr_enc, quantization

    const uint32_t ZC_V4L2_CID_STATELESS_FWHT_PARAMS, ZC_V4L2_FWHT_VERSION, ZC_V4L2_FWHT_FL_I_FRAME

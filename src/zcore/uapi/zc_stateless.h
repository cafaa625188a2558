/* What a stateless decoder of FWHT is told with each picture; <linux/v4l2-controls.h> has it since Linux 5.12. */
#ifndef ZCORE_UAPI_ZC_STATELESS_H
#define ZCORE_UAPI_ZC_STATELESS_H

#include <stdint.h>

struct zc_v4l2_ctrl_fwht_params {
    uint64_t backward_ref_ts;
    uint32_t version, width, height, flags, colorspace, xfer_func, ycbcr_enc, quantization;
};
_Static_assert(sizeof(struct zc_v4l2_ctrl_fwht_params) == 40, "zc_v4l2_ctrl_fwht_params must have 40 bytes");

#define ZC_V4L2_CID_STATELESS_FWHT_PARAMS 0x00a40964
#define ZC_V4L2_FWHT_VERSION 3
#define ZC_V4L2_FWHT_FL_I_FRAME 0x400

#endif

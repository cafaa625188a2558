"""Structures that controls carry, as <linux/v4l2-controls.h> lays them out: H.264, FWHT, VP8, MPEG-2 and HDR10."""

# name: fields in their order; those of C's rules for alignment come out by themselves
LAYOUTS = {
    "h264_sps": (
        "u8 profile_idc, u8 constraint_set_flags, u8 level_idc, u8 seq_parameter_set_id, u8 chroma_format_idc, u8 "
        "bit_depth_luma_minus8, u8 bit_depth_chroma_minus8, u8 log2_max_frame_num_minus4, u8 pic_order_cnt_type, u8 "
        "log2_max_pic_order_cnt_lsb_minus4, u8 max_num_ref_frames, u8 num_ref_frames_in_pic_order_cnt_cycle, s32 "
        "offset_for_ref_frame[255], s32 offset_for_non_ref_pic, s32 offset_for_top_to_bottom_field, u16 "
        "pic_width_in_mbs_minus1, u16 pic_height_in_map_units_minus1, u32 flags"
    ),
    "h264_pps": (
        "u8 pic_parameter_set_id, u8 seq_parameter_set_id, u8 num_slice_groups_minus1, u8 "
        "num_ref_idx_l0_default_active_minus1, u8 num_ref_idx_l1_default_active_minus1, u8 weighted_bipred_idc, s8 "
        "pic_init_qp_minus26, s8 pic_init_qs_minus26, s8 chroma_qp_index_offset, s8 second_chroma_qp_index_offset, "
        "u16 flags"
    ),
    "h264_scaling_matrix": "u8 scaling_list_4x4[6,16], u8 scaling_list_8x8[6,64]",
    "h264_weight_factors": (
        "s16 luma_weight[32], s16 luma_offset[32], s16 chroma_weight[32,2], s16 chroma_offset[32,2]"
    ),
    "h264_pred_weights": (
        "u16 luma_log2_weight_denom, u16 chroma_log2_weight_denom, h264_weight_factors weight_factors[2]"
    ),
    "h264_reference": "u8 fields, u8 index",
    "h264_slice_params": (
        "u32 header_bit_size, u32 first_mb_in_slice, u8 slice_type, u8 colour_plane_id, u8 redundant_pic_cnt, u8 "
        "cabac_init_idc, s8 slice_qp_delta, s8 slice_qs_delta, u8 disable_deblocking_filter_idc, s8 "
        "slice_alpha_c0_offset_div2, s8 slice_beta_offset_div2, u8 num_ref_idx_l0_active_minus1, u8 "
        "num_ref_idx_l1_active_minus1, u8 reserved, h264_reference ref_pic_list0[32], h264_reference "
        "ref_pic_list1[32], u32 flags"
    ),
    "h264_dpb_entry": (
        "u64 reference_ts, u32 pic_num, u16 frame_num, u8 fields, u8 reserved[5], s32 top_field_order_cnt, s32 "
        "bottom_field_order_cnt, u32 flags"
    ),
    "h264_decode_params": (
        "h264_dpb_entry dpb[16], u16 nal_ref_idc, u16 frame_num, s32 top_field_order_cnt, s32 bottom_field_order_cnt, "
        "u16 idr_pic_id, u16 pic_order_cnt_lsb, s32 delta_pic_order_cnt_bottom, s32 delta_pic_order_cnt0, s32 "
        "delta_pic_order_cnt1, u32 dec_ref_pic_marking_bit_size, u32 pic_order_cnt_bit_size, u32 "
        "slice_group_change_cycle, u32 reserved, u32 flags"
    ),
    "fwht_params": (
        "u64 backward_ref_ts, u32 version, u32 width, u32 height, u32 flags, u32 colorspace, u32 xfer_func, u32 "
        "ycbcr_enc, u32 quantization"
    ),
    "vp8_segment": "s8 quant_update[4], s8 lf_update[4], u8 segment_probs[3], u8 padding, u32 flags",
    "vp8_loop_filter": (
        "s8 ref_frm_delta[4], s8 mb_mode_delta[4], u8 sharpness_level, u8 level, u16 padding, u32 flags"
    ),
    "vp8_quantization": (
        "u8 y_ac_qi, s8 y_dc_delta, s8 y2_dc_delta, s8 y2_ac_delta, s8 uv_dc_delta, s8 uv_ac_delta, u16 padding"
    ),
    "vp8_entropy": (
        "u8 coeff_probs[4,8,3,11], u8 y_mode_probs[4], u8 uv_mode_probs[3], u8 mv_probs[2,19], u8 padding[3]"
    ),
    "vp8_entropy_coder_state": "u8 range, u8 value, u8 bit_count, u8 padding",
    "vp8_frame": (
        "vp8_segment segment, vp8_loop_filter lf, vp8_quantization quant, vp8_entropy entropy, "
        "vp8_entropy_coder_state coder_state, u16 width, u16 height, u8 horizontal_scale, u8 vertical_scale, u8 "
        "version, u8 prob_skip_false, u8 prob_intra, u8 prob_last, u8 prob_gf, u8 num_dct_parts, u32 first_part_size, "
        "u32 first_part_header_bits, u32 dct_part_sizes[8], u64 last_frame_ts, u64 golden_frame_ts, u64 alt_frame_ts, "
        "u64 flags"
    ),
    "mpeg2_sequence": (
        "u16 horizontal_size, u16 vertical_size, u32 vbv_buffer_size, u16 profile_and_level_indication, u8 "
        "chroma_format, u8 flags"
    ),
    "mpeg2_picture": (
        "u64 backward_ref_ts, u64 forward_ref_ts, u32 flags, u8 f_code[2,2], u8 picture_coding_type, u8 "
        "picture_structure, u8 intra_dc_precision, u8 reserved[5]"
    ),
    "mpeg2_quantisation": (
        "u8 intra_quantiser_matrix[64], u8 non_intra_quantiser_matrix[64], u8 chroma_intra_quantiser_matrix[64], u8 "
        "chroma_non_intra_quantiser_matrix[64]"
    ),
    "hdr10_cll_info": "u16 max_content_light_level, u16 max_pic_average_light_level",
    "hdr10_mastering_display": (
        "u16 display_primaries_x[3], u16 display_primaries_y[3], u16 white_point_x, u16 white_point_y, u32 "
        "max_display_mastering_luminance, u32 min_display_mastering_luminance"
    ),
}

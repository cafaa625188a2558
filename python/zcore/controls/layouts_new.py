"""Structures that controls carry, as <linux/v4l2-controls.h> lays them out: VP9, HEVC and AV1."""

# name: fields in their order; those of C's rules for alignment come out by themselves
LAYOUTS = {
    "hevc_sps": (
        "u8 video_parameter_set_id, u8 seq_parameter_set_id, u16 pic_width_in_luma_samples, u16 "
        "pic_height_in_luma_samples, u8 bit_depth_luma_minus8, u8 bit_depth_chroma_minus8, u8 "
        "log2_max_pic_order_cnt_lsb_minus4, u8 sps_max_dec_pic_buffering_minus1, u8 sps_max_num_reorder_pics, u8 "
        "sps_max_latency_increase_plus1, u8 log2_min_luma_coding_block_size_minus3, u8 "
        "log2_diff_max_min_luma_coding_block_size, u8 log2_min_luma_transform_block_size_minus2, u8 "
        "log2_diff_max_min_luma_transform_block_size, u8 max_transform_hierarchy_depth_inter, u8 "
        "max_transform_hierarchy_depth_intra, u8 pcm_sample_bit_depth_luma_minus1, u8 "
        "pcm_sample_bit_depth_chroma_minus1, u8 log2_min_pcm_luma_coding_block_size_minus3, u8 "
        "log2_diff_max_min_pcm_luma_coding_block_size, u8 num_short_term_ref_pic_sets, u8 num_long_term_ref_pics_sps, "
        "u8 chroma_format_idc, u8 sps_max_sub_layers_minus1, u8 reserved[6], u64 flags"
    ),
    "hevc_pps": (
        "u8 pic_parameter_set_id, u8 num_extra_slice_header_bits, u8 num_ref_idx_l0_default_active_minus1, u8 "
        "num_ref_idx_l1_default_active_minus1, s8 init_qp_minus26, u8 diff_cu_qp_delta_depth, s8 pps_cb_qp_offset, s8 "
        "pps_cr_qp_offset, u8 num_tile_columns_minus1, u8 num_tile_rows_minus1, u8 column_width_minus1[20], u8 "
        "row_height_minus1[22], s8 pps_beta_offset_div2, s8 pps_tc_offset_div2, u8 log2_parallel_merge_level_minus2, "
        "u8 reserved, u64 flags"
    ),
    "hevc_dpb_entry": "u64 timestamp, u8 flags, u8 field_pic, u16 reserved, s32 pic_order_cnt_val",
    "hevc_pred_weight_table": (
        "s8 delta_luma_weight_l0[16], s8 luma_offset_l0[16], s8 delta_chroma_weight_l0[16,2], s8 "
        "chroma_offset_l0[16,2], s8 delta_luma_weight_l1[16], s8 luma_offset_l1[16], s8 delta_chroma_weight_l1[16,2], "
        "s8 chroma_offset_l1[16,2], u8 luma_log2_weight_denom, s8 delta_chroma_log2_weight_denom"
    ),
    "hevc_slice_params": (
        "u32 bit_size, u32 data_byte_offset, u32 num_entry_point_offsets, u8 nal_unit_type, u8 nuh_temporal_id_plus1, "
        "u8 slice_type, u8 colour_plane_id, s32 slice_pic_order_cnt, u8 num_ref_idx_l0_active_minus1, u8 "
        "num_ref_idx_l1_active_minus1, u8 collocated_ref_idx, u8 five_minus_max_num_merge_cand, s8 slice_qp_delta, s8 "
        "slice_cb_qp_offset, s8 slice_cr_qp_offset, s8 slice_act_y_qp_offset, s8 slice_act_cb_qp_offset, s8 "
        "slice_act_cr_qp_offset, s8 slice_beta_offset_div2, s8 slice_tc_offset_div2, u8 pic_struct, u8 reserved0[3], "
        "u32 slice_segment_addr, u8 ref_idx_l0[16], u8 ref_idx_l1[16], u16 short_term_ref_pic_set_size, u16 "
        "long_term_ref_pic_set_size, hevc_pred_weight_table pred_weight_table, u8 reserved1[2], u64 flags"
    ),
    "hevc_decode_params": (
        "s32 pic_order_cnt_val, u16 short_term_ref_pic_set_size, u16 long_term_ref_pic_set_size, u8 "
        "num_active_dpb_entries, u8 num_poc_st_curr_before, u8 num_poc_st_curr_after, u8 num_poc_lt_curr, u8 "
        "poc_st_curr_before[16], u8 poc_st_curr_after[16], u8 poc_lt_curr[16], u8 num_delta_pocs_of_ref_rps_idx, u8 "
        "reserved[3], hevc_dpb_entry dpb[16], u64 flags"
    ),
    "hevc_scaling_matrix": (
        "u8 scaling_list_4x4[6,16], u8 scaling_list_8x8[6,64], u8 scaling_list_16x16[6,64], u8 "
        "scaling_list_32x32[2,64], u8 scaling_list_dc_coef_16x16[6], u8 scaling_list_dc_coef_32x32[2]"
    ),
    "vp9_loop_filter": "s8 ref_deltas[4], s8 mode_deltas[2], u8 level, u8 sharpness, u8 flags, u8 reserved[7]",
    "vp9_quantization": "u8 base_q_idx, s8 delta_q_y_dc, s8 delta_q_uv_dc, s8 delta_q_uv_ac, u8 reserved[4]",
    "vp9_segmentation": (
        "s16 feature_data[8,4], u8 feature_enabled[8], u8 tree_probs[7], u8 pred_probs[3], u8 flags, u8 reserved[5]"
    ),
    "vp9_frame": (
        "vp9_loop_filter lf, vp9_quantization quant, vp9_segmentation seg, u32 flags, u16 compressed_header_size, u16 "
        "uncompressed_header_size, u16 frame_width_minus_1, u16 frame_height_minus_1, u16 render_width_minus_1, u16 "
        "render_height_minus_1, u64 last_frame_ts, u64 golden_frame_ts, u64 alt_frame_ts, u8 ref_frame_sign_bias, u8 "
        "reset_frame_context, u8 frame_context_idx, u8 profile, u8 bit_depth, u8 interpolation_filter, u8 "
        "tile_cols_log2, u8 tile_rows_log2, u8 reference_mode, u8 reserved[7]"
    ),
    "vp9_mv_probs": (
        "u8 joint[3], u8 sign[2], u8 classes[2,10], u8 class0_bit[2], u8 bits[2,10], u8 class0_fr[2,2,3], u8 fr[2,3], "
        "u8 class0_hp[2], u8 hp[2]"
    ),
    "vp9_compressed_hdr": (
        "u8 tx_mode, u8 tx8[2,1], u8 tx16[2,2], u8 tx32[2,3], u8 coef[4,2,2,6,6,3], u8 skip[3], u8 inter_mode[7,3], "
        "u8 interp_filter[4,2], u8 is_inter[4], u8 comp_mode[5], u8 single_ref[5,2], u8 comp_ref[5], u8 y_mode[4,9], "
        "u8 uv_mode[10,9], u8 partition[16,3], vp9_mv_probs mv"
    ),
    "av1_sequence": (
        "u32 flags, u8 seq_profile, u8 order_hint_bits, u8 bit_depth, u8 reserved, u16 max_frame_width_minus_1, u16 "
        "max_frame_height_minus_1"
    ),
    "av1_tile_group_entry": "u32 tile_offset, u32 tile_size, u32 tile_row, u32 tile_col",
    "av1_global_motion": "u8 flags[8], u32 type[8], s32 params[8,6], u8 invalid, u8 reserved[3]",
    "av1_loop_restoration": (
        "u8 flags, u8 lr_unit_shift, u8 lr_uv_shift, u8 reserved, u32 frame_restoration_type[3], u32 "
        "loop_restoration_size[3]"
    ),
    "av1_cdef": (
        "u8 damping_minus_3, u8 bits, u8 y_pri_strength[8], u8 y_sec_strength[8], u8 uv_pri_strength[8], u8 "
        "uv_sec_strength[8]"
    ),
    "av1_segmentation": "u8 flags, u8 last_active_seg_id, u8 feature_enabled[8], s16 feature_data[8,8]",
    "av1_loop_filter": "u8 flags, u8 level[4], u8 sharpness, s8 ref_deltas[8], s8 mode_deltas[2], u8 delta_lf_res",
    "av1_quantization": (
        "u8 flags, u8 base_q_idx, s8 delta_q_y_dc, s8 delta_q_u_dc, s8 delta_q_u_ac, s8 delta_q_v_dc, s8 "
        "delta_q_v_ac, u8 qm_y, u8 qm_u, u8 qm_v, u8 delta_q_res"
    ),
    "av1_tile_info": (
        "u8 flags, u8 context_update_tile_id, u8 tile_cols, u8 tile_rows, u32 mi_col_starts[65], u32 "
        "mi_row_starts[65], u32 width_in_sbs_minus_1[64], u32 height_in_sbs_minus_1[64], u8 tile_size_bytes, u8 "
        "reserved[3]"
    ),
    "av1_frame": (
        "av1_tile_info tile_info, av1_quantization quantization, u8 superres_denom, av1_segmentation segmentation, "
        "av1_loop_filter loop_filter, av1_cdef cdef, u8 skip_mode_frame[2], u8 primary_ref_frame, "
        "av1_loop_restoration loop_restoration, av1_global_motion global_motion, u32 flags, u32 frame_type, u32 "
        "order_hint, u32 upscaled_width, u32 interpolation_filter, u32 tx_mode, u32 frame_width_minus_1, u32 "
        "frame_height_minus_1, u16 render_width_minus_1, u16 render_height_minus_1, u32 current_frame_id, u32 "
        "buffer_removal_time[32], u8 reserved[4], u32 order_hints[8], u64 reference_frame_ts[8], s8 ref_frame_idx[7], "
        "u8 refresh_frame_flags"
    ),
    "av1_film_grain": (
        "u8 flags, u8 cr_mult, u16 grain_seed, u8 film_grain_params_ref_idx, u8 num_y_points, u8 point_y_value[16], "
        "u8 point_y_scaling[16], u8 num_cb_points, u8 point_cb_value[16], u8 point_cb_scaling[16], u8 num_cr_points, "
        "u8 point_cr_value[16], u8 point_cr_scaling[16], u8 grain_scaling_minus_8, u8 ar_coeff_lag, u8 "
        "ar_coeffs_y_plus_128[25], u8 ar_coeffs_cb_plus_128[25], u8 ar_coeffs_cr_plus_128[25], u8 "
        "ar_coeff_shift_minus_6, u8 grain_scale_shift, u8 cb_mult, u8 cb_luma_mult, u8 cr_luma_mult, u16 cb_offset, "
        "u16 cr_offset, u8 reserved[4]"
    ),
}

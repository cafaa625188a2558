"""The kernel's structures as the fake sees them, written from the kernel's headers and not from zcore's."""

import ctypes as c

U8, U16, U32, U64, S32, S64 = c.c_uint8, c.c_uint16, c.c_uint32, c.c_uint64, c.c_int32, c.c_int64
ULONG = c.c_ulong


def make(name, fields, size, kind=c.Structure, pack=0):
    """Define a structure and hold it to the size that the kernel gives it."""
    body = {"_fields_": fields}
    if pack:
        body["_pack_"] = pack
    made = type(name, (kind,), body)
    assert c.sizeof(made) == size, f"{name} has {c.sizeof(made)} bytes, the kernel says {size}"
    return made


def words(*names):
    return [(name, U32) for name in names]


# V4L2

Capability = make(
    "v4l2_capability",
    [("driver", c.c_char * 16), ("card", c.c_char * 32), ("bus_info", c.c_char * 32),
     *words("version", "capabilities", "device_caps"), ("reserved", U32 * 3)],
    104,
)  # fmt: skip
FmtDesc = make(
    "v4l2_fmtdesc",
    [*words("index", "type", "flags"), ("description", c.c_char * 32), *words("pixelformat", "mbus_code"),
     ("reserved", U32 * 3)],
    64,
)  # fmt: skip
PixFormat = make(
    "v4l2_pix_format",
    words("width", "height", "pixelformat", "field", "bytesperline", "sizeimage", "colorspace", "priv", "flags",
          "ycbcr_enc", "quantization", "xfer_func"),
    48,
)  # fmt: skip
PlanePixFormat = make("v4l2_plane_pix_format", [*words("sizeimage", "bytesperline"), ("reserved", U16 * 6)], 20, pack=1)
PixFormatMplane = make(
    "v4l2_pix_format_mplane",
    [*words("width", "height", "pixelformat", "field", "colorspace"), ("plane_fmt", PlanePixFormat * 8),
     ("num_planes", U8), ("flags", U8), ("ycbcr_enc", U8), ("quantization", U8), ("xfer_func", U8),
     ("reserved", U8 * 7)],
    192, pack=1,
)  # fmt: skip
_FormatUnion = make(
    "fmt", [("pix", PixFormat), ("pix_mp", PixFormatMplane), ("raw", U8 * 200), ("align", U64)], 200, c.Union
)
Format = make("v4l2_format", [("type", U32), ("fmt", _FormatUnion)], 208)
RequestBuffers = make(
    "v4l2_requestbuffers",
    [*words("count", "type", "memory", "capabilities"), ("flags", U8), ("reserved", U8 * 3)],
    20,
)
CreateBuffers = make(
    "v4l2_create_buffers",
    [*words("index", "count", "memory"), ("format", Format),
     *words("capabilities", "flags", "max_num_buffers"), ("reserved", U32 * 5)],
    256,
)  # fmt: skip
RemoveBuffers = make("v4l2_remove_buffers", [*words("index", "count", "type"), ("reserved", U32 * 13)], 64)
_PlaneUnion = make("m", [("mem_offset", U32), ("userptr", ULONG), ("fd", S32)], 8, c.Union)
PlaneStruct = make(
    "v4l2_plane",
    [*words("bytesused", "length"), ("m", _PlaneUnion), ("data_offset", U32), ("reserved", U32 * 11)],
    64,
)
_BufferUnion = make("m", [("mem_offset", U32), ("userptr", ULONG), ("planes", c.c_void_p), ("fd", S32)], 8, c.Union)
Timecode = make("v4l2_timecode", [*words("type", "flags"), ("rest", U8 * 8)], 16)
BufferStruct = make(
    "v4l2_buffer",
    [*words("index", "type", "bytesused", "flags", "field"), ("tv_sec", c.c_long), ("tv_usec", c.c_long),
     ("timecode", Timecode), *words("sequence", "memory"), ("m", _BufferUnion), *words("length", "reserved2"),
     ("request_fd", S32)],
    88,
)  # fmt: skip
ExportBuffer = make(
    "v4l2_exportbuffer", [*words("type", "index", "plane", "flags"), ("fd", S32), ("reserved", U32 * 11)], 64
)
Fract = make("v4l2_fract", words("numerator", "denominator"), 8)
StreamParm = make(
    "v4l2_streamparm",
    [*words("type", "capability", "mode"), ("timeperframe", Fract), ("rest", U8 * 184)],
    204,
)
FrmSizeEnum = make(
    "v4l2_frmsizeenum",
    [*words("index", "pixel_format", "type"), ("values", U32 * 6), ("reserved", U32 * 2)],
    44,
)
FrmIvalEnum = make(
    "v4l2_frmivalenum",
    [*words("index", "pixel_format", "width", "height", "type"), ("values", U32 * 6), ("reserved", U32 * 2)],
    52,
)
QueryExtCtrl = make(
    "v4l2_query_ext_ctrl",
    [*words("id", "type"), ("name", c.c_char * 32), ("minimum", S64), ("maximum", S64), ("step", U64),
     ("default_value", S64), *words("flags", "elem_size", "elems", "nr_of_dims"), ("dims", U32 * 4),
     ("reserved", U32 * 32)],
    232,
)  # fmt: skip
Control = make("v4l2_control", [("id", U32), ("value", S32)], 8)
QueryCtrl = make(
    "v4l2_queryctrl",
    [*words("id", "type"), ("name", c.c_char * 32), ("minimum", S32), ("maximum", S32), ("step", S32),
     ("default_value", S32), ("flags", U32), ("reserved", U32 * 2)],
    68,
)  # fmt: skip
ExtControl = make("v4l2_ext_control", [*words("id", "size", "reserved2"), ("value", S32), ("high", S32)], 20, pack=1)
ExtControls = make(
    "v4l2_ext_controls",
    [*words("which", "count", "error_idx"), ("request_fd", S32), ("reserved", U32), ("controls", c.c_void_p)],
    32,
)
QueryMenu = make(
    "v4l2_querymenu", [*words("id", "index"), ("name", U8 * 32), ("reserved", U32)], 44, pack=1
)  # an integer menu has its number in the first eight bytes of the name
Event = make(
    "v4l2_event",
    [("type", U32), ("pad", U32), ("u", U32 * 16), *words("pending", "sequence"), ("timestamp", c.c_long * 2),
     *words("id"), ("reserved", U32 * 8), ("end", U32)],
    136,
)  # fmt: skip
EventSubscription = make("v4l2_event_subscription", [*words("type", "id", "flags"), ("reserved", U32 * 5)], 32)
EncoderCmd = make("v4l2_encoder_cmd", [*words("cmd", "flags"), ("raw", U32 * 8)], 40)
DecoderCmd = make("v4l2_decoder_cmd", [*words("cmd", "flags"), ("raw", U64 * 8)], 72)
Selection = make(
    "v4l2_selection",
    [*words("type", "target", "flags"), ("left", S32), ("top", S32), *words("width", "height"), ("reserved", U32 * 9)],
    64,
)
Int = make("int", [("value", c.c_int)], 4)

# DMA-BUF and its allocators

Sync = make("dma_buf_sync", [("flags", U64)], 8)
SyncFile = make("dma_buf_sync_file", [("flags", U32), ("fd", S32)], 8)
SyncFileInfo = make(
    "sync_file_info",
    [("name", c.c_char * 32), ("status", S32), *words("flags", "num_fences", "pad"), ("info", U64)],
    56,
)
FenceInfo = make(
    "sync_fence_info",
    [("obj_name", c.c_char * 32), ("driver_name", c.c_char * 32), ("status", S32), ("flags", U32),
     ("timestamp_ns", U64)],
    80,
)  # fmt: skip
SyncMerge = make("sync_merge_data", [("name", c.c_char * 32), ("fd2", S32), ("fence", S32), *words("flags", "pad")], 48)
SyncDeadline = make("sync_set_deadline", [("deadline_ns", U64), ("pad", U64)], 16)
Name = make("name", [("first", c.c_char * 8)], 8)  # the argument is the string itself
HeapAllocation = make("dma_heap_allocation_data", [("len", U64), *words("fd", "fd_flags"), ("heap_flags", U64)], 24)
UdmabufCreate = make("udmabuf_create", [*words("memfd", "flags"), ("offset", U64), ("size", U64)], 24)

# DRM

Version = make(
    "drm_version",
    [("version", c.c_int * 3), ("name_len", c.c_size_t), ("name", c.c_void_p), ("date_len", c.c_size_t),
     ("date", c.c_void_p), ("desc_len", c.c_size_t), ("desc", c.c_void_p)],
    64,
)  # fmt: skip
Cap = make("drm_cap", [("capability", U64), ("value", U64)], 16)
Pair = make("pair", words("first", "second"), 8)
One = make("one", words("value"), 4)
Prime = make("drm_prime_handle", [*words("handle", "flags"), ("fd", S32)], 12)
ModeInfo = make(
    "drm_mode_modeinfo",
    [("clock", U32),
     *[(name, U16) for name in ("hdisplay", "hsync_start", "hsync_end", "htotal", "hskew", "vdisplay", "vsync_start",
                                "vsync_end", "vtotal", "vscan")],
     *words("vrefresh", "flags", "type"), ("name", c.c_char * 32)],
    68,
)  # fmt: skip
CardRes = make(
    "drm_mode_card_res",
    [(name, U64) for name in ("fbs", "crtcs", "connectors", "encoders")]
    + words("count_fbs", "count_crtcs", "count_connectors", "count_encoders", "min_width", "max_width", "min_height",
            "max_height"),
    64,
)  # fmt: skip
Crtc = make(
    "drm_mode_crtc",
    [("connectors", U64), *words("count_connectors", "crtc_id", "fb_id", "x", "y", "gamma_size", "mode_valid"),
     ("mode", ModeInfo)],
    104,
)  # fmt: skip
CrtcLut = make(
    "drm_mode_crtc_lut", [*words("crtc_id", "gamma_size"), *[(n, U64) for n in ("red", "green", "blue")]], 32
)
Encoder = make(
    "drm_mode_get_encoder", words("encoder_id", "encoder_type", "crtc_id", "possible_crtcs", "possible_clones"), 20
)
Connector = make(
    "drm_mode_get_connector",
    [(name, U64) for name in ("encoders", "modes", "props", "prop_values")]
    + words("count_modes", "count_props", "count_encoders", "encoder_id", "connector_id", "connector_type",
            "connector_type_id", "connection", "mm_width", "mm_height", "subpixel", "pad"),
    80,
)  # fmt: skip
PlaneRes = make("drm_mode_get_plane_res", [("planes", U64), ("count_planes", U32)], 16)
GetPlane = make(
    "drm_mode_get_plane",
    [*words("plane_id", "crtc_id", "fb_id", "possible_crtcs", "gamma_size", "count_format_types"), ("formats", U64)],
    32,
)
PropertyEnum = make("drm_mode_property_enum", [("value", U64), ("name", c.c_char * 32)], 40)
GetProperty = make(
    "drm_mode_get_property",
    [("values", U64), ("enums", U64), *words("prop_id", "flags"), ("name", c.c_char * 32),
     *words("count_values", "count_enum_blobs")],
    64,
)  # fmt: skip
SetProperty = make("drm_mode_obj_set_property", [("value", U64), *words("prop_id", "obj_id", "obj_type")], 24)
ObjProperties = make(
    "drm_mode_obj_get_properties",
    [("props", U64), ("values", U64), *words("count_props", "obj_id", "obj_type")],
    32,
)
GetBlob = make("drm_mode_get_blob", [*words("blob_id", "length"), ("data", U64)], 16)
CreateBlob = make("drm_mode_create_blob", [("data", U64), *words("length", "blob_id")], 16)
FbCmd2 = make(
    "drm_mode_fb_cmd2",
    [*words("fb_id", "width", "height", "pixel_format", "flags"), ("handles", U32 * 4), ("pitches", U32 * 4),
     ("offsets", U32 * 4), ("modifier", U64 * 4)],
    104,
)  # fmt: skip
PageFlip = make("drm_mode_crtc_page_flip", [*words("crtc_id", "fb_id", "flags", "reserved"), ("user_data", U64)], 24)
CreateDumb = make(
    "drm_mode_create_dumb", [*words("height", "width", "bpp", "flags", "handle", "pitch"), ("size", U64)], 32
)
Atomic = make(
    "drm_mode_atomic",
    [*words("flags", "count_objs"), *[(name, U64) for name in ("objs", "counts", "props", "values", "reserved",
                                                               "user_data")]],
    56,
)  # fmt: skip
VblankEvent = make(
    "drm_event_vblank",
    [*words("type", "length"), ("user_data", U64), *words("tv_sec", "tv_usec", "sequence", "crtc_id")],
    32,
)


def _requests():
    none, write, read = 0, 1, 2
    both = write | read
    table = {
        "V": {
            "VIDIOC_QUERYCAP": (0, read, Capability), "VIDIOC_ENUM_FMT": (2, both, FmtDesc),
            "VIDIOC_G_FMT": (4, both, Format), "VIDIOC_S_FMT": (5, both, Format),
            "VIDIOC_REQBUFS": (8, both, RequestBuffers), "VIDIOC_QUERYBUF": (9, both, BufferStruct),
            "VIDIOC_CREATE_BUFS": (92, both, CreateBuffers), "VIDIOC_REMOVE_BUFS": (104, both, RemoveBuffers),
            "VIDIOC_QBUF": (15, both, BufferStruct), "VIDIOC_EXPBUF": (16, both, ExportBuffer),
            "VIDIOC_DQBUF": (17, both, BufferStruct), "VIDIOC_STREAMON": (18, write, Int),
            "VIDIOC_STREAMOFF": (19, write, Int), "VIDIOC_G_PARM": (21, both, StreamParm),
            "VIDIOC_S_PARM": (22, both, StreamParm), "VIDIOC_TRY_FMT": (64, both, Format),
            "VIDIOC_G_EXT_CTRLS": (71, both, ExtControls), "VIDIOC_S_EXT_CTRLS": (72, both, ExtControls),
            "VIDIOC_TRY_EXT_CTRLS": (73, both, ExtControls), "VIDIOC_QUERYMENU": (37, both, QueryMenu),
            "VIDIOC_ENCODER_CMD": (77, both, EncoderCmd), "VIDIOC_DECODER_CMD": (96, both, DecoderCmd),
            "VIDIOC_DQEVENT": (89, read, Event), "VIDIOC_SUBSCRIBE_EVENT": (90, write, EventSubscription),
            "VIDIOC_UNSUBSCRIBE_EVENT": (91, write, EventSubscription),
            "VIDIOC_G_CTRL": (27, both, Control), "VIDIOC_S_CTRL": (28, both, Control),
            "VIDIOC_QUERYCTRL": (36, both, QueryCtrl),
            "VIDIOC_G_SELECTION": (94, both, Selection), "VIDIOC_S_SELECTION": (95, both, Selection),
            "VIDIOC_ENUM_FRAMESIZES": (74, both, FrmSizeEnum),
            "VIDIOC_ENUM_FRAMEINTERVALS": (75, both, FrmIvalEnum),
            "VIDIOC_QUERY_EXT_CTRL": (103, both, QueryExtCtrl),
        },
        "b": {
            "DMA_BUF_IOCTL_SYNC": (0, write, Sync), "DMA_BUF_SET_NAME": (1, write, Name),
            "DMA_BUF_IOCTL_EXPORT_SYNC_FILE": (2, both, SyncFile),
            "DMA_BUF_IOCTL_IMPORT_SYNC_FILE": (3, write, SyncFile),
        },
        "H": {"DMA_HEAP_IOCTL_ALLOC": (0, both, HeapAllocation)},
        "u": {"UDMABUF_CREATE": (0x42, write, UdmabufCreate)},
        ">": {
            "SYNC_IOC_MERGE": (3, both, SyncMerge), "SYNC_IOC_FILE_INFO": (4, both, SyncFileInfo),
            "SYNC_IOC_SET_DEADLINE": (5, write, SyncDeadline),
        },
        "d": {
            "DRM_IOCTL_VERSION": (0x00, both, Version), "DRM_IOCTL_GEM_CLOSE": (0x09, write, Pair),
            "DRM_IOCTL_GET_CAP": (0x0C, both, Cap), "DRM_IOCTL_SET_CLIENT_CAP": (0x0D, write, Cap),
            "DRM_IOCTL_AUTH_MAGIC": (0x11, write, One), "DRM_IOCTL_SET_MASTER": (0x1E, none, None),
            "DRM_IOCTL_DROP_MASTER": (0x1F, none, None), "DRM_IOCTL_PRIME_HANDLE_TO_FD": (0x2D, both, Prime),
            "DRM_IOCTL_PRIME_FD_TO_HANDLE": (0x2E, both, Prime), "DRM_IOCTL_MODE_GETRESOURCES": (0xA0, both, CardRes),
            "DRM_IOCTL_MODE_GETCRTC": (0xA1, both, Crtc), "DRM_IOCTL_MODE_SETCRTC": (0xA2, both, Crtc),
            "DRM_IOCTL_MODE_GETGAMMA": (0xA4, both, CrtcLut), "DRM_IOCTL_MODE_SETGAMMA": (0xA5, both, CrtcLut),
            "DRM_IOCTL_MODE_GETENCODER": (0xA6, both, Encoder),
            "DRM_IOCTL_MODE_GETCONNECTOR": (0xA7, both, Connector),
            "DRM_IOCTL_MODE_GETPROPERTY": (0xAA, both, GetProperty),
            "DRM_IOCTL_MODE_GETPROPBLOB": (0xAC, both, GetBlob), "DRM_IOCTL_MODE_RMFB": (0xAF, both, One),
            "DRM_IOCTL_MODE_PAGE_FLIP": (0xB0, both, PageFlip), "DRM_IOCTL_MODE_CREATE_DUMB": (0xB2, both, CreateDumb),
            "DRM_IOCTL_MODE_DESTROY_DUMB": (0xB4, both, One),
            "DRM_IOCTL_MODE_GETPLANERESOURCES": (0xB5, both, PlaneRes),
            "DRM_IOCTL_MODE_GETPLANE": (0xB6, both, GetPlane), "DRM_IOCTL_MODE_ADDFB2": (0xB8, both, FbCmd2),
            "DRM_IOCTL_MODE_OBJ_GETPROPERTIES": (0xB9, both, ObjProperties),
            "DRM_IOCTL_MODE_OBJ_SETPROPERTY": (0xBA, both, SetProperty),
            "DRM_IOCTL_MODE_ATOMIC": (0xBC, both, Atomic), "DRM_IOCTL_MODE_CREATEPROPBLOB": (0xBD, both, CreateBlob),
            "DRM_IOCTL_MODE_DESTROYPROPBLOB": (0xBE, both, One), "DRM_IOCTL_MODE_GETFB2": (0xCE, both, FbCmd2),
            "DRM_IOCTL_MODE_CLOSEFB": (0xD0, both, Pair),
        },
    }  # fmt: skip
    found = {}
    for magic, requests in table.items():
        for name, (number, direction, struct) in requests.items():
            size = c.sizeof(struct) if struct else 0
            found[direction << 30 | size << 16 | ord(magic) << 8 | number] = (name, struct)
    return found


REQUESTS = _requests()  # request number -> (name, structure or None)
NUMBERS = {name: number for number, (name, _) in REQUESTS.items()}


def fourcc(text):
    """Give the number of a four-character code."""
    return int.from_bytes(text.encode(), "little")


def read_array(address, kind, count):
    """Read an array that an argument points to."""
    return list((kind * count).from_address(address)) if count else []


def write_array(address, kind, values):
    """Write an array that an argument points to."""
    for i, value in enumerate(values):
        kind.from_address(address + i * c.sizeof(kind)).value = value

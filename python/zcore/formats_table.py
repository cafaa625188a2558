"""The pixel formats, as data. ``zcore.formats`` reads this text and nothing else knows what is in it.

``TABLE`` has one format per line, in columns:

name
    zcore's own name. Where whole bytes make a pixel it spells them in the order in which they lie in memory.
v4l2
    V4L2 fourcc with all planes in one memory (``-BE`` sets bit 31), or ``-``.
mplane
    V4L2 fourcc with one memory per plane, or ``-``.
drm
    DRM fourcc ``=`` DRM's own name for it ``+`` the modifier that the V4L2 fourcc implies, or ``-`` when DRM has no
    word for that layout. DRM names spell a little-endian word from its most significant bit, hence backwards.
gst
    GStreamer name (``=``: the same as zcore's, ``-``: none); for coded formats, the media type.
family
    see ``zcore.formats.Family``
planes
    separated by ``|``. A plane is its components from the least significant bit of its first byte on, each a letter
    and a number of bits (``X`` is padding, ``f`` behind the bits a float); ``>`` in front: the bits of a big-endian
    word; ``@n`` behind: for n pixels; ``:HxV``: has one sample for H columns and V rows. ``#n``: n opaque bytes.
tile
    for tiled formats, the pixels to which width and height are padded.

Order matters: of two lines with the same DRM or GStreamer name, lookups by that name give the first.

Sources: videodev2.h, drm_fourcc.h, drm_fourcc.c, v4l2-common.c and the V4L2 format documentation of Linux 6.12;
NV15, NV20 and AV01 are later, NC12, NC30, Nc12 and Nc30 are the Raspberry Pi's, AV10 is Amlogic's.
"""

MODIFIERS = {
    "SAMSUNG_64_32": 0x0400_0000_0000_0001,
    "SAMSUNG_16_16": 0x0400_0000_0000_0002,
    "QCOM_COMPRESSED": 0x0500_0000_0000_0001,
    "VIVANTE_TILED": 0x0600_0000_0000_0001,
    "SAND128": 0x0700_0000_0000_0004,  # and the height of a column in bits 8 and up
    "ALLWINNER_TILED": 0x0900_0000_0000_0001,
    "MTK_16L_32S": 0x0B00_0000_0000_0001,
}

TABLE = """
# Packed RGB, whole bytes.
BGRx         XR24    -     XR24=XRGB8888       =               rgb    B8G8R8X8
BGRA         AR24    -     AR24=ARGB8888       =               rgb    B8G8R8A8
RGBx         XB24    -     XB24=XBGR8888       =               rgb    R8G8B8X8
RGBA         AB24    -     AB24=ABGR8888       =               rgb    R8G8B8A8
xRGB         BX24    -     BX24=BGRX8888       =               rgb    X8R8G8B8
ARGB         BA24    -     BA24=BGRA8888       =               rgb    A8R8G8B8
xBGR         RX24    -     RX24=RGBX8888       =               rgb    X8B8G8R8
ABGR         RA24    -     RA24=RGBA8888       =               rgb    A8B8G8R8
BGR          BGR3    -     RG24=RGB888         =               rgb    B8G8R8
RGB          RGB3    -     BG24=BGR888         =               rgb    R8G8B8
# The old 32-bit fourccs do not say whether the fourth byte is alpha.
BGR32        BGR4    -     XR24=XRGB8888       -               rgb    B8G8R8X8
RGB32        RGB4    -     BX24=BGRX8888       -               rgb    X8R8G8B8
# Packed RGB in words. R444, RGBO and RGBQ are old as above.
RGB565       RGBP    -     RG16=RGB565         RGB16           rgb    B5G6R5
BGR565       -       -     BG16=BGR565         BGR16           rgb    R5G6B5
RGB565_BE    RGBR    -     RG16-BE             -               rgb    >B5G6R5
XRGB1555     XR15    -     XR15=XRGB1555       RGB15           rgb    B5G5R5X1
ARGB1555     AR15    -     AR15=ARGB1555       -               rgb    B5G5R5A1
XBGR1555     XB15    -     XB15=XBGR1555       BGR15           rgb    R5G5B5X1
ABGR1555     AB15    -     AB15=ABGR1555       -               rgb    R5G5B5A1
RGBX5551     RX15    -     RX15=RGBX5551       -               rgb    X1B5G5R5
RGBA5551     RA15    -     RA15=RGBA5551       -               rgb    A1B5G5R5
BGRX5551     BX15    -     BX15=BGRX5551       -               rgb    X1R5G5B5
BGRA5551     BA15    -     BA15=BGRA5551       -               rgb    A1R5G5B5
XRGB1555_BE  XR15-BE -     XR15-BE             -               rgb    >B5G5R5X1
ARGB1555_BE  AR15-BE -     AR15-BE             -               rgb    >B5G5R5A1
RGB555       RGBO    -     XR15=XRGB1555       -               rgb    B5G5R5X1
RGB555_BE    RGBQ    -     XR15-BE             -               rgb    >B5G5R5X1
XRGB4444     XR12    -     XR12=XRGB4444       -               rgb    B4G4R4X4
ARGB4444     AR12    -     AR12=ARGB4444       -               rgb    B4G4R4A4
XBGR4444     XB12    -     XB12=XBGR4444       -               rgb    R4G4B4X4
ABGR4444     AB12    -     AB12=ABGR4444       -               rgb    R4G4B4A4
RGBX4444     RX12    -     RX12=RGBX4444       -               rgb    X4B4G4R4
RGBA4444     RA12    -     RA12=RGBA4444       -               rgb    A4B4G4R4
BGRX4444     BX12    -     BX12=BGRX4444       -               rgb    X4R4G4B4
BGRA4444     GA12    -     BA12=BGRA4444       -               rgb    A4R4G4B4
RGB444       R444    -     XR12=XRGB4444       -               rgb    B4G4R4X4
RGB332       RGB1    -     RGB8=RGB332         -               rgb    B2G3R3
BGR233       -       -     BGR8=BGR233         -               rgb    R3G3B2
BGR666       BGRH    -     -                   -               rgb    >X14R6G6B6
HI240        HI24    -     -                   -               rgb    #1
PAL8         PAL8    -     C8=C8               RGB8P           rgb    C8
# Deep RGB.
XRGB2101010  -       -     XR30=XRGB2101010    BGR10x2_LE      rgb    B10G10R10X2
ARGB2101010  AR30    -     AR30=ARGB2101010    BGR10A2_LE      rgb    B10G10R10A2
XBGR2101010  -       -     XB30=XBGR2101010    RGB10x2_LE      rgb    R10G10B10X2
ABGR2101010  -       -     AB30=ABGR2101010    RGB10A2_LE      rgb    R10G10B10A2
RGBX1010102  RX30    -     RX30=RGBX1010102    -               rgb    X2B10G10R10
RGBA1010102  RA30    -     RA30=RGBA1010102    -               rgb    A2B10G10R10
BGRX1010102  -       -     BX30=BGRX1010102    -               rgb    X2R10G10B10
BGRA1010102  -       -     BA30=BGRA1010102    -               rgb    A2R10G10B10
BGR48        BGR6    -     RG48=RGB161616      -               rgb    B16G16R16
RGB48        RGB6    -     BG48=BGR161616      -               rgb    R16G16B16
BGR48_12     B312    -     -                   -               rgb    X4B12X4G12X4R12
BGRA64_12    B412    -     -                   -               rgb    X4B12X4G12X4R12X4A12
BGRx64       -       -     XR48=XRGB16161616   -               rgb    B16G16R16X16
BGRA64       -       -     AR48=ARGB16161616   BGRA64_LE       rgb    B16G16R16A16
RGBx64       -       -     XB48=XBGR16161616   -               rgb    R16G16B16X16
RGBA64       -       -     AB48=ABGR16161616   RGBA64_LE       rgb    R16G16B16A16
BGRx64F      -       -     XR4H=XRGB16161616F  -               rgb    B16fG16fR16fX16f
BGRA64F      -       -     AR4H=ARGB16161616F  -               rgb    B16fG16fR16fA16f
RGBx64F      -       -     XB4H=XBGR16161616F  -               rgb    R16fG16fB16fX16f
RGBA64F      -       -     AB4H=ABGR16161616F  -               rgb    R16fG16fB16fA16f
# HSV.
HSV24        HSV3    -     -                   -               hsv    H8S8V8
HSV32        HSV4    -     -                   -               hsv    X8H8S8V8
# Grey. DRM's R8 is the red channel, which is what the display pipelines and GStreamer take grey for.
GREY         GREY    -     R8=R8               GRAY8           grey   Y8
Y4           Y04     -     -                   -               grey   Y4X4
Y6           Y06     -     -                   -               grey   Y6X2
Y10          Y10     -     R10=R10             GRAY10_LE16     grey   Y10X6
Y12          Y12     -     R12=R12             -               grey   Y12X4
Y012         Y012    -     -                   -               grey   X4Y12
Y14          Y14     -     -                   -               grey   Y14X2
Y16          Y16     -     R16=R16             GRAY16_LE       grey   Y16
Y16_BE       Y16-BE  -     -                   GRAY16_BE       grey   >Y16
R1           -       -     R1=R1               -               grey   #1@8
R2           -       -     R2=R2               -               grey   #1@4
R4           -       -     R4=R4               -               grey   #1@2
Y10BPACK     Y10B    -     -                   -               grey   #5@4
Y10P         Y10P    -     -                   -               grey   #5@4
Y12P         Y12P    -     -                   -               grey   #3@2
Y14P         Y14P    -     -                   -               grey   #7@4
IPU3_Y10     ip3y    -     -                   -               grey   #32@25
PISP1_MONO   PC1M    -     -                   -               grey   #1
PISP2_MONO   PC2M    -     -                   -               grey   #1
Y8I          Y8I     -     -                   -               grey   #2
Y12I         Y12I    -     -                   -               grey   #3
Z16          Z16     -     -                   -               depth  D16
CNF4         CNF4    -     -                   -               depth  #1@2
INZI         INZI    -     -                   -               depth  Y10X6|D16
# Packed YUV 4:2:2 and 4:1:1.
YUYV         YUYV    -     YUYV=YUYV           YUY2            yuv    Y8U8Y8V8@2
YVYU         YVYU    -     YVYU=YVYU           =               yuv    Y8V8Y8U8@2
UYVY         UYVY    -     UYVY=UYVY           =               yuv    U8Y8V8Y8@2
VYUY         VYUY    -     VYUY=VYUY           =               yuv    V8Y8U8Y8@2
YYUV         YYUV    -     -                   -               yuv    #4@2
Y210         Y210    -     Y210=Y210           =               yuv    X6Y10X6U10X6Y10X6V10@2
Y212         Y212    -     Y212=Y212           Y212_LE         yuv    X4Y12X4U12X4Y12X4V12@2
Y216         Y216    -     Y216=Y216           Y216_LE         yuv    Y16U16Y16V16@2
Y41P         Y41P    -     -                   -               yuv    #12@8
UV8          UV8     -     -                   -               yuv    #1
# Packed YUV 4:4:4. V4L2's AYUV is not DRM's AYUV: V4L2 (as GStreamer) spells bytes, DRM a word.
AYUV         AYUV    -     -                   =               yuv    A8Y8U8V8
XYUV         XYUV    -     -                   -               yuv    X8Y8U8V8
VUYA         VUYA    -     AYUV=AYUV           =               yuv    V8U8Y8A8
VUYX         VUYX    -     XYUV=XYUV8888       -               yuv    V8U8Y8X8
YUVA         YUVA    -     AVUY=AVUY8888       -               yuv    Y8U8V8A8
YUVX         YUVX    -     XVUY=XVUY8888       -               yuv    Y8U8V8X8
YUV32        YUV4    -     -                   -               yuv    A8Y8U8V8
YUV24        YUV3    -     VU24=VUY888         v308            yuv    Y8U8V8
AYUV4444     Y444    -     -                   -               yuv    V4U4Y4A4
AYUV1555     YUVO    -     -                   -               yuv    V5U5Y5A1
YUV565       YUVP    -     -                   -               yuv    V5U6Y5
YUV48_12     Y312    -     -                   -               yuv    X4Y12X4U12X4V12
Y410         -       -     Y410=Y410           =               yuv    U10Y10V10A2
Y412         -       -     Y412=Y412           Y412_LE         yuv    X4U12X4Y12X4V12X4A12
Y416         -       -     Y416=Y416           Y416_LE         yuv    U16Y16V16A16
XV30         -       -     XV30=XVYU2101010    -               yuv    U10Y10V10X2
XV36         -       -     XV36=XVYU12_16161616 -              yuv    X4U12X4Y12X4V12X16
XV48         -       -     XV48=XVYU16161616   -               yuv    U16Y16V16X16
# Semi-planar YUV.
NV12         NV12    NM12  NV12=NV12           =               yuv    Y8|U8V8:2x2
NV21         NV21    NM21  NV21=NV21           =               yuv    Y8|V8U8:2x2
NV16         NV16    NM16  NV16=NV16           =               yuv    Y8|U8V8:2x1
NV61         NV61    NM61  NV61=NV61           =               yuv    Y8|V8U8:2x1
NV24         NV24    -     NV24=NV24           =               yuv    Y8|U8V8
NV42         NV42    -     NV42=NV42           -               yuv    Y8|V8U8
NV15         NV15    -     NV15=NV15           NV12_10LE40     yuv    #5@4|#5@2:2x2
NV20         NV20    -     NV20=NV20           NV16_10LE40     yuv    #5@4|#5@2:2x1
NV30         -       -     NV30=NV30           -               yuv    #5@4|#5@2
P010         P010    -     P010=P010           P010_10LE       yuv    X6Y10|X6U10X6V10:2x2
P012         P012    PM12  P012=P012           P012_LE         yuv    X4Y12|X4U12X4V12:2x2
P016         -       -     P016=P016           P016_LE         yuv    Y16|U16V16:2x2
P210         -       -     P210=P210           -               yuv    X6Y10|X6U10X6V10:2x1
P030         -       -     P030=P030           -               yuv    #4@3|#8@3:2x2
# Planar YUV.
YUV420       YU12    YM12  YU12=YUV420         I420            yuv    Y8|U8:2x2|V8:2x2
YVU420       YV12    YM21  YV12=YVU420         YV12            yuv    Y8|V8:2x2|U8:2x2
YUV422       422P    YM16  YU16=YUV422         Y42B            yuv    Y8|U8:2x1|V8:2x1
YVU422       -       YM61  YV16=YVU422         -               yuv    Y8|V8:2x1|U8:2x1
YUV444       -       YM24  YU24=YUV444         Y444            yuv    Y8|U8|V8
YVU444       -       YM42  YV24=YVU444         -               yuv    Y8|V8|U8
YUV411       411P    -     YU11=YUV411         Y41B            yuv    Y8|U8:4x1|V8:4x1
YVU411       -       -     YV11=YVU411         -               yuv    Y8|V8:4x1|U8:4x1
YUV410       YUV9    -     YUV9=YUV410         YUV9            yuv    Y8|U8:4x4|V8:4x4
YVU410       YVU9    -     YVU9=YVU410         YVU9            yuv    Y8|V8:4x4|U8:4x4
Q410         -       -     Q410=Q410           -               yuv    X6Y10|X6U10|X6V10
Q401         -       -     Q401=Q401           -               yuv    X6Y10|X6V10|X6U10
# Tiled YUV. Without a modifier DRM would take it for linear and show garbage.
NV12_4L4     VT12    -     NV12+VIVANTE_TILED  NV12_4L4        yuv    Y8|U8V8:2x2        4x4
NV12_16L16   HM12    -     -                   -               yuv    Y8|U8V8:2x2        16x16
NV12_32L32   ST12    -     NV12+ALLWINNER_TILED NV12_32L32     yuv    Y8|U8V8:2x2        32x32
NV12_8L128   AT12    NA12  -                   NV12_8L128      yuv    Y8|U8V8:2x2        8x128
NV12MT       -       TM12  NV12+SAMSUNG_64_32  NV12_64Z32      yuv    Y8|U8V8:2x2        128x32
NV12MT_16X16 -       VM12  NV12+SAMSUNG_16_16  -               yuv    Y8|U8V8:2x2        16x16
MM21         -       MM21  NV12+MTK_16L_32S    NV12_16L32S     yuv    Y8|U8V8:2x2        16x32
MT21C        -       MT21  -                   -               yuv    Y8|U8V8:2x2        16x32
MT2110T      -       MT2T  -                   MT2110T         yuv    #5@4|#5@2:2x2      16x32
MT2110R      -       MT2R  -                   MT2110R         yuv    #5@4|#5@2:2x2      16x32
NV15_4L4     VT15    -     NV15+VIVANTE_TILED  NV12_10LE40_4L4 yuv    #5@4|#5@2:2x2      4x4
NV15_BE_8L128 AX12-BE NT12-BE -                NV12_10BE_8L128 yuv    #5@4|#5@2:2x2      4x128
P010_4L4     T010    -     -                   -               yuv    X6Y10|X6U10X6V10:2x2 4x4
NV12_COL128  NC12    -     NV12+SAND128        -               yuv    Y8|U8V8:2x2        128x8
NV12M_COL128 -       Nc12  -                   -               yuv    Y8|U8V8:2x2        128x8
P030_COL128  NC30    -     P030+SAND128        -               yuv    #4@3|#8@3:2x2      96x8
P030M_COL128 -       Nc30  -                   -               yuv    #4@3|#8@3:2x2      96x8
QC08C        Q08C    -     NV12+QCOM_COMPRESSED -              yuv    Y8|U8V8:2x2        128x32
QC10C        Q10C    -     -                   -               yuv    #4@3|#8@3:2x2      192x16
"""

# Bayer: name behind the pattern, planes, the fourccs for BGGR, GBRG, GRBG and RGGB, GStreamer's suffix.
BAYER_PATTERNS = ("BGGR", "GBRG", "GRBG", "RGGB")
BAYER = """
S{}8         S8      BA81 GBRG GRBG RGGB  {}
S{}10        S10X6   BG10 GB10 BA10 RG10  {}10le
S{}12        S12X4   BG12 GB12 BA12 RG12  {}12le
S{}14        S14X2   BG14 GB14 GR14 RG14  {}14le
S{}16        S16     BYR2 GB16 GR16 RG16  {}16le
S{}10P       #5@4    pBAA pGAA pgAA pRAA  -
S{}12P       #3@2    pBCC pGCC pgCC pRCC  -
S{}14P       #7@4    pBEE pGEE pgEE pREE  -
S{}10ALAW8   S8      aBA8 aGA8 agA8 aRA8  -
S{}10DPCM8   S8      bBA8 bGA8 BD10 bRA8  -
IPU3_S{}10   #32@25  ip3b ip3g ip3G ip3r  -
PISP1_{}     #1      PC1B PC1g PC1G PC1R  -
PISP2_{}     #1      PC2B PC2g PC2G PC2R  -
"""

# Coded: name, V4L2 fourcc, GStreamer media type. A buffer holds a payload of any length up to sizeimage.
CODED = """
MJPEG MJPG image/jpeg
JPEG JPEG image/jpeg
PJPG PJPG image/jpeg
AJPG AJPG -
DV dvsd video/x-dv
MPEG MPEG video/mpegts
MPEG1 MPG1 video/mpeg
MPEG2 MPG2 video/mpeg
MPEG2_SLICE MG2S -
MPEG4 MPG4 video/mpeg
XVID XVID video/mpeg
H263 H263 video/x-h263
H264 H264 video/x-h264
H264_NO_SC AVC1 video/x-h264
H264_MVC M264 video/x-h264
H264_SLICE S264 -
HEVC HEVC video/x-h265
HEVC_SLICE S265 -
VC1_ANNEX_G VC1G video/x-wmv
VC1_ANNEX_L VC1L video/x-wmv
VP8 VP80 video/x-vp8
VP8_FRAME VP8F -
VP9 VP90 video/x-vp9
VP9_FRAME VP9F -
AV1 AV01 video/x-av1
AV1_AMLOGIC AV10 video/x-av1
AV1_FRAME AV1F -
FWHT FWHT video/x-fwht
FWHT_STATELESS SFWH -
SPK SPK0 -
RV30 RV30 -
RV40 RV40 -
HEXTILE HXTL -
"""

# Camera and grabber formats that only their own library unpacks: name and V4L2 fourcc; coded, too.
VENDOR = """
CPIA1 CPIA  WNVA WNVA  SN9C10X S910  SN9C20X_I420 S920  PWC1 PWC1  PWC2 PWC2  ET61X251 E625  SPCA501 S501
SPCA505 S505  SPCA508 S508  SPCA561 S561  PAC207 P207  MR97310A M310  JL2005BCD JL20  SN9C2028 SONX  SQ905C 905C
OV511 O511  OV518 O518  STV0680 S680  TM6000 TM60  CIT_YYVYUY CITV  KONICA420 KONI  JPGL JPGL  SE401 S401
S5C_UYVY_JPG S5CI  M420 M420
"""

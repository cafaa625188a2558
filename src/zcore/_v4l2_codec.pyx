"""What codecs have beyond queues: the command to drain, the event of a new stream, the visible part of a picture."""

from libc.errno cimport EINVAL, ENOTTY
from libc.stdint cimport uint32_t
from libc.string cimport memset

from zcore._errors cimport check
from zcore._sys cimport sys_ioctl
from zcore._v4l2_device cimport V4l2Device
from zcore._v4l2_hubs cimport events_source_change
from zcore.uapi.videodev2 cimport (
    V4L2_BUF_TYPE_VIDEO_CAPTURE,
    V4L2_BUF_TYPE_VIDEO_OUTPUT,
    V4L2_DEC_CMD_START,
    V4L2_DEC_CMD_STOP,
    V4L2_ENC_CMD_START,
    V4L2_ENC_CMD_STOP,
    V4L2_EVENT_SOURCE_CHANGE,
    V4L2_SEL_TGT_COMPOSE,
    V4L2_SEL_TGT_CROP,
    VIDIOC_DECODER_CMD,
    VIDIOC_ENCODER_CMD,
    VIDIOC_G_SELECTION,
    VIDIOC_S_SELECTION,
    v4l2_decoder_cmd,
    v4l2_encoder_cmd,
    v4l2_selection,
)

from zcore._v4l2_events import forget_source_changes, hub_of


cdef int codec_command(int fd, bint decoder, bint stop) noexcept nogil:
    cdef v4l2_encoder_cmd encoder_command
    cdef v4l2_decoder_cmd decoder_command
    if decoder:
        memset(&decoder_command, 0, sizeof(decoder_command))
        decoder_command.cmd = V4L2_DEC_CMD_STOP if stop else V4L2_DEC_CMD_START
        return sys_ioctl(fd, VIDIOC_DECODER_CMD, &decoder_command)
    memset(&encoder_command, 0, sizeof(encoder_command))
    encoder_command.cmd = V4L2_ENC_CMD_STOP if stop else V4L2_ENC_CMD_START
    return sys_ioctl(fd, VIDIOC_ENCODER_CMD, &encoder_command)


cdef int codec_source_change(int fd) noexcept nogil:
    cdef int result, found = 0
    while True:  # to the last: what stays in the queue would be taken for a later change
        result = events_source_change(fd)
        if result <= 0:
            return result or found
        found = 1


def subscribe_source_change(V4l2Device device not None):
    """Ask for V4L2_EVENT_SOURCE_CHANGE; False where the driver has no such event."""
    return hub_of(device).subscribe(V4L2_EVENT_SOURCE_CHANGE)


def forget_events(V4l2Device device not None):
    """Drop the source changes of an earlier run; other events stay with those who wait for them."""
    forget_source_changes(device)


def visible_size(V4l2Device device not None, bint output):
    """Read the visible part of a codec's raw pictures.

    Parameters
    ----------
    device : V4l2Device
        An encoder or a decoder.
    output : bool
        Of the queue that takes pictures (an encoder's crop), else of the one that gives them (a decoder's compose).

    Returns
    -------
    (int, int, int, int) or None
        Left, top, width, height; ``None`` where the driver does not tell.
    """
    cdef v4l2_selection selection
    cdef int result
    memset(&selection, 0, sizeof(selection))
    # The single-planar types stand for the multi-planar ones, too.
    selection.type = V4L2_BUF_TYPE_VIDEO_OUTPUT if output else V4L2_BUF_TYPE_VIDEO_CAPTURE
    selection.target = V4L2_SEL_TGT_CROP if output else V4L2_SEL_TGT_COMPOSE
    result = sys_ioctl(device.fd.number, VIDIOC_G_SELECTION, &selection)
    if result == -EINVAL or result == -ENOTTY:
        return None
    check(result, "VIDIOC_G_SELECTION", device.path)
    return selection.r.left, selection.r.top, <int>selection.r.width, <int>selection.r.height


def set_visible_size(V4l2Device device not None, uint32_t width, uint32_t height):
    """Say which part of the pictures an encoder shall encode, from the upper left corner; gives the size granted."""
    cdef v4l2_selection selection
    memset(&selection, 0, sizeof(selection))
    selection.type = V4L2_BUF_TYPE_VIDEO_OUTPUT
    selection.target = V4L2_SEL_TGT_CROP
    selection.r.width = width
    selection.r.height = height
    check(sys_ioctl(device.fd.number, VIDIOC_S_SELECTION, &selection), "VIDIOC_S_SELECTION", device.path)
    return <int>selection.r.width, <int>selection.r.height

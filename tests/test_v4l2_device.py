import errno

import pytest

from fakekernel import FakeCamera, FakeHeap, FakeM2m, fourcc
from fakekernel.v4l2_queue import MMAP
from zcore._errors import DeviceBusyError, DeviceError, DeviceGoneError, DeviceNotFoundError, UnsupportedError
from zcore._v4l2_device import ControlInfo, PixFormat, SizeRange, V4l2Device

CAPTURE, OUTPUT, CAPTURE_MPLANE = 1, 2, 9
BRIGHTNESS = 0x00980900


@pytest.fixture(params=[False, True], ids=["single-planar", "multi-planar"])
def mplane(request):
    return request.param


@pytest.fixture
def camera(fake_kernel, mplane):
    return FakeCamera(fake_kernel, multiplanar=mplane)


@pytest.fixture
def device(camera):
    with V4l2Device("/dev/video0") as device:
        yield device


@pytest.fixture
def type(mplane):
    return CAPTURE_MPLANE if mplane else CAPTURE


@pytest.mark.proves("VIDIOC_QUERYCAP")
def test_identity(device, mplane):
    assert (device.driver, device.card, device.bus) == ("fake", "Fake device", "platform:fake")
    assert device.capabilities == 0x04000000 | (0x1000 if mplane else 1)  # of this node, not of the whole device
    assert (device.path, repr(device)) == ("/dev/video0", "<V4l2Device /dev/video0 fake 'Fake device'>")


@pytest.mark.proves("VIDIOC_QUERYCAP")
def test_what_is_no_v4l2_device(fake_kernel):
    FakeHeap(fake_kernel, "/dev/video0")
    with pytest.raises(UnsupportedError, match="not a V4L2 device"):
        V4l2Device("/dev/video0")
    with pytest.raises(DeviceNotFoundError):
        V4l2Device("/dev/video9")


def test_unplugged_device_cannot_be_opened(fake_kernel, camera):
    camera.unplug()
    with pytest.raises(DeviceGoneError):
        V4l2Device("/dev/video0")


def test_close_is_done_once(fake_kernel, camera):
    device = V4l2Device("/dev/video0")
    device.close()
    device.close()
    assert device.fd.closed


@pytest.mark.proves("VIDIOC_ENUM_FMT")
def test_formats(device, type):
    assert device.formats(type) == [
        (fourcc("YUYV"), 0, "first"), (fourcc("YUYV"), 0, "second"), (fourcc("MJPG"), 1, "coded"),
    ]  # fmt: skip
    assert device.formats(OUTPUT) == []


@pytest.mark.proves("VIDIOC_ENUM_FRAMESIZES")
def test_sizes(device, camera):
    assert device.sizes(fourcc("YUYV")) == [
        SizeRange((640, 640, 1), (480, 480, 1)), SizeRange((320, 320, 1), (240, 240, 1)),
    ]  # fmt: skip
    camera.frame_sizes = [(16, 1920, 2, 8, 1080, 4)]
    assert device.sizes(fourcc("YUYV")) == [SizeRange((16, 1920, 2), (8, 1080, 4))]
    assert device.sizes(fourcc("XXXX")) == []


@pytest.mark.proves("VIDIOC_ENUM_FRAMEINTERVALS")
def test_intervals(device, camera):
    assert device.intervals(fourcc("YUYV"), 640, 480) == [((1, 30), (1, 30)), ((1, 15), (1, 15))]
    camera.frame_intervals = [(1, 60, 1, 5, 1, 60)]
    assert device.intervals(fourcc("YUYV"), 640, 480) == [((1, 60), (1, 5))]


@pytest.mark.proves("T28")
@pytest.mark.parametrize("call", ["VIDIOC_ENUM_FRAMESIZES", "VIDIOC_ENUM_FRAMEINTERVALS"])
@pytest.mark.parametrize("code", [errno.ENOTTY, errno.EINVAL, errno.ENODATA])
def test_lists_that_a_driver_does_not_have_are_empty(fake_kernel, device, call, code):
    fake_kernel.fail(call, code)
    found = device.sizes(fourcc("YUYV")) if "SIZES" in call else device.intervals(fourcc("YUYV"), 640, 480)
    assert found == []


@pytest.mark.parametrize(
    ("call", "use"),
    [
        ("VIDIOC_ENUM_FMT", lambda d, t: d.formats(t)),
        ("VIDIOC_ENUM_FRAMESIZES", lambda d, t: d.sizes(0)),
        ("VIDIOC_ENUM_FRAMEINTERVALS", lambda d, t: d.intervals(0, 1, 1)),
        ("VIDIOC_G_FMT", lambda d, t: d.get_format(t)),
        ("VIDIOC_G_FMT", lambda d, t: d.set_format(t, 64, 64, 0)),
        ("VIDIOC_S_FMT", lambda d, t: d.set_format(t, 64, 64, 0)),
        ("VIDIOC_TRY_FMT", lambda d, t: d.set_format(t, 64, 64, 0, test=True)),
        ("VIDIOC_G_PARM", lambda d, t: d.frame_interval(t)),
        ("VIDIOC_S_PARM", lambda d, t: d.frame_interval(t, (1, 5))),
        ("VIDIOC_QUERY_EXT_CTRL", lambda d, t: d.controls()),
        ("VIDIOC_G_EXT_CTRLS", lambda d, t: d.get_control(BRIGHTNESS)),
        ("VIDIOC_S_EXT_CTRLS", lambda d, t: d.set_control(BRIGHTNESS, 1)),
    ],
)
def test_unplugged_is_told_by_every_call(fake_kernel, device, type, call, use):
    fake_kernel.fail(call, errno.ENODEV)
    with pytest.raises(DeviceGoneError, match=call):
        use(device, type)


@pytest.mark.proves("T15", "vidioc-g-fmt:granted", "T80", "VIDIOC_G_FMT", "VIDIOC_S_FMT")
def test_granted_format_wins(device, type):
    granted = device.set_format(type, 101, 51, fourcc("XXXX"))
    assert isinstance(granted, PixFormat)
    assert (granted.width, granted.height, granted.fourcc) == (100, 50, fourcc("YUYV"))
    assert granted.planes == ((256 * 50, 256),)
    assert device.get_format(type) == granted


@pytest.mark.proves("VIDIOC_TRY_FMT")
def test_trying_changes_nothing(device, type):
    before = device.get_format(type)
    assert device.set_format(type, 320, 240, fourcc("MJPG"), test=True).width == 320
    assert device.get_format(type) == before


def test_wrong_queue_is_told(device):
    with pytest.raises(DeviceError, match="VIDIOC_G_FMT"):
        device.get_format(OUTPUT)


def test_format_of_many_planes(fake_kernel):
    FakeCamera(fake_kernel, planes=[1024, 512], multiplanar=True)
    with V4l2Device("/dev/video0") as device:
        assert device.get_format(CAPTURE_MPLANE).planes == ((1024, 64), (512, 32))


def test_plane_count_of_the_driver_is_bounded(fake_kernel, monkeypatch):
    camera = FakeCamera(fake_kernel, multiplanar=True)
    describe = camera.describe

    def lie(fmt, *values):
        describe(fmt, *values)
        fmt.fmt.pix_mp.num_planes = 200

    monkeypatch.setattr(camera, "describe", lie)
    with V4l2Device("/dev/video0") as device:
        assert len(device.get_format(CAPTURE_MPLANE).planes) == 8


@pytest.mark.proves("VIDIOC_G_PARM", "VIDIOC_S_PARM")
def test_frame_interval(fake_kernel, device, type):
    assert device.frame_interval(type) == (1, 30)
    assert device.frame_interval(type, (1, 1000)) == (1, 60)  # granted, not asked
    assert device.frame_interval(type) == (1, 60)
    fake_kernel.fail("VIDIOC_G_PARM", errno.ENOTTY, times=2)
    assert device.frame_interval(type) is None
    assert device.frame_interval(type, (1, 5)) is None


@pytest.mark.proves("T10", "VIDIOC_REQBUFS")
def test_memories(camera, device, type):
    assert device.memories(type) == {"mmap", "userptr", "dmabuf", "export"}
    camera.capture.memories = {MMAP}
    assert device.memories(type) == {"mmap", "export"}
    assert device.memories(OUTPUT) == set()


@pytest.mark.proves("T28")
def test_memories_without_export(fake_kernel, device, type):
    fake_kernel.fail("VIDIOC_EXPBUF", errno.ENOTTY)
    assert device.memories(type) == {"mmap", "userptr", "dmabuf"}


def test_controls(device):
    assert device.controls() == [
        ControlInfo(BRIGHTNESS, "Brightness", 1, 0, 255, 1, 128, 0),
        ControlInfo(0x00980901, "Contrast", 1, -10, 10, 1, 0, 0),
    ]  # without the class
    assert device.control_id("brightness") == BRIGHTNESS
    with pytest.raises(KeyError, match="Contrast"):
        device.control_id("nothing")


def test_control_values(device, camera):
    assert device.get_control(BRIGHTNESS) == 128
    assert device.set_control(BRIGHTNESS, 300) == 255
    assert device.get_control(BRIGHTNESS) == 255
    assert device.set_control(0x00980901, -3) == -3
    assert device.get_control(0x00980901) == -3
    with pytest.raises(DeviceError, match="0x980999"):
        device.get_control(0x00980999)
    camera.controls[BRIGHTNESS][7] = 4
    with pytest.raises(PermissionError):
        device.set_control(BRIGHTNESS, 1)


def test_mem_to_mem_device_has_two_queues(fake_kernel):
    FakeM2m(fake_kernel)
    with V4l2Device("/dev/video1") as device:
        assert device.capabilities & 0x8000
        assert device.get_format(CAPTURE).width == device.get_format(OUTPUT).width == 64


def test_second_open_file_cannot_take_the_buffers(fake_kernel, camera, device, type):
    from zcore._pool import Pool
    from zcore._v4l2 import Queue

    queue = Queue(device.fd, "first", type)
    queue.allocate(Pool("p", "v4l2"), 2, export=False)
    with V4l2Device("/dev/video0") as other:
        with pytest.raises(DeviceBusyError):
            Queue(other.fd, "second", type).allocate(Pool("q", "v4l2"), 2, export=False)
        with pytest.raises(DeviceBusyError):
            other.set_format(type, 640, 480, fourcc("YUYV"))
    queue.close()

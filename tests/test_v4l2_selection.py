"""Crop and compose rectangles on the fake kernel, by today's calls and by those of old drivers."""

import errno

import pytest

import zcore
from fakekernel import FakeCamera
from fakekernel.v4l2_state import FakeTransmitter, FakeTuner
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_selection import Rect, get_selection, set_selection
from zcore.errors import DeviceBusyError, NegotiationError
from zcore.stages.selection import Margins, as_area, flag_bits, text


@pytest.fixture
def tuner(fake_kernel):
    return FakeTuner(fake_kernel)


@pytest.fixture
def camera(tuner):
    with zcore.Capture("/dev/video0") as opened:
        yield opened


@pytest.mark.proves("VIDIOC_G_SELECTION")
def test_rectangles_are_told(camera):
    assert camera.crop == camera.crop_default == camera.crop_bounds == Rect(0, 0, 640, 480)
    assert camera.compose == camera.compose_default == camera.compose_bounds == camera.compose_padded
    assert camera.native_size == (0, 0, 640, 480)


@pytest.mark.proves("VIDIOC_S_SELECTION", "vidioc-g-selection:crop", "vidioc-g-selection:compose")
def test_granted_wins(camera):
    camera.crop = (11, 21, 321, 241)
    assert camera.crop == (11, 21, 320, 240)
    assert camera.select("compose", (1000, 0, 100, 100)) == (540, 0, 100, 100)


def test_parts_and_margins(camera):
    camera.crop = Margins(left=20, right=100, bottom=40)
    assert camera.crop == (20, 0, 520, 440)
    camera.crop = (None, 10, None, 100)
    assert camera.crop == (20, 10, 520, 100)
    with pytest.raises(NegotiationError, match="leave nothing"):
        camera.crop = Margins(left=400, right=400)


@pytest.mark.proves("VIDIOC_S_SELECTION")
@pytest.mark.parametrize(
    ("flags", "fits"), [("", True), ("le", True), ("ge", False), ("le|ge", False), (["ge"], False)]
)
def test_flags_say_how_it_may_differ(camera, flags, fits):
    if fits:
        assert camera.select("crop", (0, 0, 321, 241), flags) == (0, 0, 320, 240)
        return
    with pytest.raises(NegotiationError, match=r"ERANGE.*may lie in 640x480\+0\+0"):
        camera.select("crop", (0, 0, 321, 241), flags)


@pytest.mark.proves("VIDIOC_CROPCAP", "VIDIOC_G_CROP", "VIDIOC_S_CROP", "T28")
def test_old_drivers(tuner, fake_kernel):
    tuner.old_selection = True
    with zcore.Capture("/dev/video0", crop=(2, 4, 321, 200)) as camera:
        assert camera.crop == (2, 4, 320, 200)
        assert camera.crop_bounds == camera.crop_default == (0, 0, 640, 480)
        assert camera.compose is None
        assert camera.native_size is None
        with pytest.raises(NegotiationError, match="no such thing"):
            camera.compose = (0, 0, 10, 10)
    assert fake_kernel.count("VIDIOC_S_CROP")


@pytest.mark.proves("VIDIOC_S_CROP")
def test_crop_of_an_old_output_is_its_composition(fake_kernel):
    sender = FakeTransmitter(fake_kernel)
    sender.old_selection = True
    device = V4l2Device("/dev/video2")
    assert set_selection(device, 2, 0x100, (4, 4, 100, 100)) == (4, 4, 100, 100)
    assert get_selection(device, 2, 0x102) == (0, 0, 640, 480)
    assert get_selection(device, 2, 0x0) is None
    device.close()


@pytest.mark.proves("T28")
def test_multiplanar_queues_are_asked_under_both_types(fake_kernel):
    tuner = FakeTuner(fake_kernel, multiplanar=True)
    with zcore.Capture("/dev/video0") as camera:
        camera.crop = (0, 0, 64, 64)
        assert camera.crop == (0, 0, 64, 64)
        check = tuner.check_target

        def other(argument):
            if argument.type != 9:
                fake_kernel.scripted("never")
                from fakekernel import Refusal

                raise Refusal(errno.EINVAL, "the multi-planar type, please")
            argument.type = 1
            check(argument)

        tuner.check_target = other
        assert camera.crop == (0, 0, 64, 64)


def test_device_without_rectangles(fake_kernel):
    FakeCamera(fake_kernel)
    with zcore.Capture("/dev/video0") as camera:
        assert camera.crop is None
        with pytest.raises(NegotiationError, match="no such thing"):
            camera.crop = (0, 0, 16, 16)
        with pytest.raises(NegotiationError, match="no such thing"):
            camera.crop = Margins(1)
    with pytest.raises(NegotiationError, match="no such thing"), zcore.Capture("/dev/video0", crop=(None, 0, 1, 1)):
        pass


@pytest.mark.proves("T15")
def test_format_is_read_again(tuner):
    tuner.scales = False
    with zcore.Capture("/dev/video0") as camera:
        camera.configure()
        camera.output.reset()
        camera.crop = (10, 10, 320, 200)
        assert camera.caps.size == (320, 200)
        assert camera.caps.memory_planes == ((320 * 200 * 2, 640),)
        tuner.auto = 2
        assert [frame.size for frame in camera.frames(2)] == [(320, 200)] * 2
        assert camera.crop[2:] == (320, 200)


@pytest.mark.proves("T9", "VIDIOC_S_SELECTION")
def test_size_cannot_change_under_buffers(tuner):
    tuner.scales = False
    with zcore.Capture("/dev/video0") as camera:
        camera.configure()
        with pytest.raises(DeviceBusyError, match="buffers are allocated"):
            camera.crop = (0, 0, 320, 200)
        camera.crop = (0, 0, 640, 480)


def test_driver_that_changes_the_format_under_buffers_is_told(tuner, camera):
    camera.configure()
    resize = tuner.set_crop

    def sloppy(granted):
        resize(granted)
        tuner.resize(*granted[2:])

    tuner.set_crop = sloppy
    with pytest.raises(NegotiationError, match="old format"):
        camera.crop = (0, 0, 320, 200)


def test_crop_of_a_chain(tuner):
    tuner.scales = False
    tuner.auto = -1
    sizes = []
    chain = zcore.Chain(
        zcore.Capture("/dev/video0", crop=(10, 10, 321, 200)), zcore.Callback(lambda frame: sizes.append(frame.size))
    )
    report = chain.run(frames=3)
    assert set(sizes) == {(320, 200)}
    assert "320x200+10+10" in str(report.to_dict())


@pytest.mark.parametrize("area", ["abcd", (1, 2, 3), 7, (1, 2, 3.5, 4), (0, 0, True, 4)])
def test_what_is_no_rectangle(area):
    with pytest.raises(TypeError, match="left, top, width, height"):
        as_area(area, "crop")


@pytest.mark.parametrize("area", [(0, 0, 0, 4), (0, 0, 4, -1), Margins(-1), (0, 0, 1 << 31, 1)])
def test_rectangles_that_cannot_be(area):
    with pytest.raises(ValueError, match=r"holds no pixel|does not fit"):
        as_area(area, "crop")


def test_slips(camera):
    with pytest.raises(ValueError, match="no selection flag 'lt'"):
        flag_bits("lt")
    with pytest.raises(ValueError, match="'crop_bounds'"):
        camera.select("crop_bounds", (0, 0, 1, 1))
    assert text(None) == "none"
    assert flag_bits(["ge", "le", "keep_config"]) == 7


def test_closed_device():
    camera = zcore.Capture("/dev/video0")
    with pytest.raises(ValueError, match="not open"):
        _ = camera.crop
    with pytest.raises(ValueError, match="not open"):
        camera.crop = (0, 0, 1, 1)


def test_unplugged(tuner, camera):
    tuner.unplug()
    with pytest.raises(zcore.DeviceGoneError):
        _ = camera.crop
    with pytest.raises(zcore.DeviceGoneError):
        camera.crop = (0, 0, 16, 16)

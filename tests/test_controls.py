"""Controls by name, all in one call, and what is said where one cannot be set."""

import errno

import pytest

import zcore
from fakekernel import FakeCamera
from zcore._v4l2_controls import set_controls
from zcore._v4l2_device import V4l2Device
from zcore.stages.controls import apply_controls, as_controls
from zcore.stages.output import Output
from zcore.stages.structures import parse_structure, plain_name

BRIGHTNESS, CONTRAST, LINE, LABEL, BIG, MASK, ZOOM, RESET, SECRET = (
    0x00980900 + n for n in (0, 1, 24, 2, 3, 4, 5, 6, 7)
)


@pytest.fixture
def camera(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.controls |= {
        LINE: ["Power Line Frequency", 3, 0, 3, 1, 1, 1, 0],
        LABEL: ["Label", 7, 0, 8, 1, 0, "", 0x100],
        BIG: ["Pixel Rate (Hz)", 5, -(1 << 40), 1 << 40, 1, 0, 0, 0],
        MASK: ["Bitmask", 8, 0, 0x80000003, 0, 0, 0, 0],
        ZOOM: ["Zoom, Steps", 9, 0, 2, 1, 0, 0, 0],
        RESET: ["Reset", 4, 0, 0, 0, 0, 0, 0x40],
        SECRET: ["Min Number of Things", 1, 0, 9, 1, 3, 3, 4],
        0x00980B00: ["Matrix", 1, 0, 9, 1, 0, 0, 0x100],
        0x00980B01: ["Ghost", 1, 0, 9, 1, 0, 0, 1],
    }
    camera.menus = {LINE: {0: "Disabled", 1: "50 Hz", 2: "60 Hz"}, ZOOM: {0: 100, 2: 400}}  # entry 3 of LINE is a hole
    return camera


@pytest.fixture
def device(camera):
    with V4l2Device("/dev/video0") as device:
        yield device


def value(camera, id):
    return camera.controls[id][6]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("c,brightness=10,contrast=5", {"brightness": 10, "contrast": 5}),
        ("c, brightness = (int) 10 , on=(boolean)true", {"brightness": 10, "on": True}),
        ("brightness=0x1f", {"brightness": 31}),
        ("s,alpha=-3,rotation=+4;", {"alpha": -3, "rotation": 4}),
        ('c,label="a, b=\\"c\\"",other=(string)7', {"label": 'a, b="c"', "other": "7"}),
        ("c,x=1.5,y=(double)2,z=yes,w=(guint64)18446744073709551615", {"x": 1.5, "y": 2.0, "z": True, "w": 2**64 - 1}),
        ("c,mode=50 Hz", {"mode": "50 Hz"}),
        ("c", {}),
        ("", {}),
        ("c,", {}),
    ],
)
def test_structure_strings(text, fields):
    assert parse_structure(text) == fields


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("c,brightness", "cannot read 'brightness'"),
        ("c,brightness=", "'brightness' has no value"),
        ("c,a=1,a=2", "'a' stands twice"),
        ("c,a=(int)x", r"a=\(int\)x: 'x' is no int"),
        ("c,a=(colour)1", "unknown type 'colour'"),
        ('c,a="open', "cannot read"),
        ("c,=1", "cannot read"),
    ],
)
def test_structure_strings_that_are_none(text, told):
    with pytest.raises(ValueError, match=told):
        parse_structure(text)


def test_names_are_those_of_v4l2_ctl():
    assert plain_name("Power Line Frequency") == "power_line_frequency"
    assert plain_name("White Balance, Automatic") == "white_balance_automatic"
    assert plain_name("FWHT I-Frame QP Value") == "fwht_i_frame_qp_value"
    assert as_controls("c,Brightness=1") == as_controls({"brightness": 1}) == {"brightness": 1}
    with pytest.raises(ValueError, match="set twice"):
        as_controls({"Brightness": 1, "brightness": 2})
    with pytest.raises(ValueError, match="no control's name"):
        as_controls({"--": 1})


def test_all_are_set_in_one_call(fake_kernel, camera, device):
    wishes = as_controls(
        'c,brightness=10,contrast=-5,power_line_frequency=2,label="hi",pixel_rate_hz=1099511627776,bitmask=0x80000001,'
        "zoom_steps=2,reset=1"
    )
    granted = apply_controls(device, wishes, "camera")
    assert fake_kernel.count("VIDIOC_S_EXT_CTRLS") == 1
    assert [value(camera, id) for id in (BRIGHTNESS, CONTRAST, LINE, LABEL, BIG, ZOOM)] == [10, -5, 2, "hi", 1 << 40, 2]
    assert value(camera, MASK) & 0xFFFFFFFF == 0x80000001
    assert granted["brightness"] == 10
    assert granted["pixel_rate_hz"] == 1 << 40


@pytest.mark.parametrize(("text", "index"), [("50 Hz", 1), ("60 hz", 2), (0, 0), ("disabled", 0)])
def test_menus_take_the_index_or_the_text(camera, device, text, index):
    apply_controls(device, {"power_line_frequency": text}, "camera")
    assert value(camera, LINE) == index


def test_capture_sets_them_when_it_opens(camera):
    with zcore.Capture("/dev/video0", extra_controls="c,brightness=7") as stage:
        assert value(camera, BRIGHTNESS) == 7
        assert stage.control("Brightness") == stage.control("brightness") == 7
        assert stage.control("CONTRAST", 3) == 3
    assert not camera.files[0].open


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"brightnes": 1}, r"camera \(/dev/video0, Fake device\) has no control 'brightnes'; did you mean brightness"),
        ({"ghost": 1}, "has no control 'ghost'"),
        ({"brightness": 300}, "brightness is 0 to 255, not 300"),
        ({"brightness": "much"}, "brightness is a number from 0 to 255, not 'much'"),
        ({"brightness": 1.5}, "brightness is a number from 0 to 255, not 1.5"),
        ({"power_line_frequency": 3}, r"has no entry 3; it has 0 \(Disabled\), 1 \(50 Hz\), 2 \(60 Hz\)"),
        ({"power_line_frequency": "70 Hz"}, "no entry '70 Hz'; did you mean"),
        ({"zoom_steps": 1}, r"it has 0 \(100\), 2 \(400\)"),
        ({"min_number_of_things": 1}, "min_number_of_things is read-only"),
        ({"matrix": 1}, "matrix is a integer of 0 bytes"),
        ({"label": "much too long"}, "label is 0 to 8 characters"),
        ({"bitmask": -1}, "bitmask is 0 to 2147483651, not -1"),
    ],
)
def test_what_cannot_be_set_is_said_before_anything_is(fake_kernel, camera, device, wishes, told):
    with pytest.raises(zcore.ChainError, match=told):
        apply_controls(device, wishes | {"contrast": 4}, "camera")
    assert fake_kernel.count("VIDIOC_S_EXT_CTRLS") == 0
    assert value(camera, CONTRAST) == 0


def test_the_one_that_the_driver_refuses_is_named(fake_kernel, camera, device):
    camera.controls[CONTRAST][7] = 2  # grabbed: somebody streams
    with pytest.raises(zcore.DeviceBusyError, match=r"control contrast=3 was refused.*cannot change while"):
        # S_EXT_CTRLS tells no index, and TRY_EXT_CTRLS finds nothing wrong: all that is left is the list
        apply_controls(device, {"contrast": 3}, "camera")


def test_the_one_of_several(camera, device):
    camera.controls[LINE][2:4] = [0, 1]  # the range shrank since it was read
    code, index, _ = set_controls(device, [(BRIGHTNESS, 1, 5), (LINE, 3, 2), (CONTRAST, 1, 1)])
    assert (code, index) == (errno.ERANGE, 1)
    assert value(camera, BRIGHTNESS) == 128
    camera.hardware_refuses = CONTRAST
    code, index, _ = set_controls(device, [(BRIGHTNESS, 1, 5), (CONTRAST, 1, 1)])
    assert (code, index) == (errno.EIO, 1)
    with pytest.raises(zcore.DeviceError, match=r"camera \(/dev/video0\).*EIO.*control contrast=1 was refused"):
        apply_controls(device, {"brightness": 5, "contrast": 1}, "camera")


def test_a_failed_open_leaves_nothing(camera):
    with pytest.raises(zcore.ChainError, match="no control"):
        zcore.Capture("/dev/video0", extra_controls={"nothing": 1}).open()
    assert not camera.files[0].open


def test_too_many(device):
    with pytest.raises(ValueError, match="1 to 64 controls"):
        set_controls(device, [])


def test_frames_are_dated_when_they_come(fake_kernel):
    camera = FakeCamera(fake_kernel)
    camera.auto = 1
    with zcore.Capture("/dev/video0", do_timestamp=True) as stage:
        queue = stage.output.queue
        assert queue.stamp
        finish = camera.capture.finish
        camera.capture.finish = lambda buffer, **values: finish(buffer, **values | {"timestamp_ns": 5, "flags": 0x4000})
        (frame,) = stage.frames(1)
        assert frame.timestamp_ns > 5
        assert frame.clock == "monotonic"
        del frame


@pytest.mark.parametrize(("limit", "count", "given"), [(3, None, 3), (3, 2, 2), (-1, 4, 4), (0, None, 0)])
def test_num_buffers(fake_kernel, limit, count, given):
    FakeCamera(fake_kernel).auto = 100
    with zcore.Capture("/dev/video0", num_buffers=limit) as stage:
        assert sum(1 for _ in stage.frames(count)) == given
        assert stage.limit == (limit if limit >= 0 else None)


@pytest.mark.parametrize("make", [zcore.Capture, Output])
def test_slips_in_the_io_mode_are_told(make):
    with pytest.raises(ValueError, match="io mode 'magic' is none of"):
        make("/dev/video0", io_mode="magic")


def test_mem_to_mem_devices_neither_read_nor_write(fake_kernel):
    with pytest.raises(zcore.NegotiationError, match=r"mem-to-mem devices do not have.* use 'auto', or 'mmap'"):
        zcore.Convert("/dev/video0", output_io_mode="rw")

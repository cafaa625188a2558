"""Controls of every type on the fake kernel: reading, setting, what is refused and how it is said."""

import copy
import errno
import json
import warnings

import numpy as np
import pytest

import zcore
from fakekernel import ControlCamera
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_ext_controls import get_raw, set_raw
from zcore.controls import Area, ContentLightLevel, ControlError, Controls, MenuEntry, Rect, UnknownControlError
from zcore.controls.kinds import ControlFlag, structure_dtype


@pytest.fixture
def fake(fake_kernel):
    return ControlCamera(fake_kernel)


@pytest.fixture
def controls(fake):
    with V4l2Device("/dev/video0") as device:
        yield Controls(device, "camera")


VALUES = {
    "brightness": 7, "gain_stepped": 30, "mirror": True, "power_line_frequency": 3, "link_frequency": 1,
    "pixel_rate": -(1 << 49) + 3, "label": "abcdef", "mask": 0x80000010, "cells": Area(3, 4),
    "region": Rect(-1, 2, 30, 40), "light": ContentLightLevel(1, 2), "future": b"abcd", "rotate": 90,
}  # fmt: skip
ARRAYS = {
    "matrix": [[16, 17, 18], [19, 20, 4096]], "cube": (np.arange(24) * 8).reshape(2, 3, 4), "offsets": [-9, 0, 9],
    "table": [0, 1, 2, 0xFFFFFFFF], "wide": [-9, 9], "queue": [1, 2, 3],
}  # fmt: skip


@pytest.mark.proves("VIDIOC_QUERY_EXT_CTRL", "VIDIOC_QUERYMENU", "VIDIOC_G_EXT_CTRLS", "VIDIOC_S_EXT_CTRLS")
@pytest.mark.parametrize("name", VALUES)
def test_values_of_each_type(controls, name):
    controls[name].value = VALUES[name]
    assert controls[name].value == getattr(controls, name) == VALUES[name]
    assert type(controls[name].value) in (type(VALUES[name]), MenuEntry)
    default = controls[name].default
    assert controls[name].reset() == default == controls[name].value


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(controls, name):
    before = controls[name].value
    setattr(controls, name, ARRAYS[name])
    assert np.array_equal(controls[name].value, ARRAYS[name])
    assert np.array_equal(controls[name].default, before)
    controls[name].value = np.asarray(ARRAYS[name], float)  # whole numbers all the same
    assert np.array_equal(controls[name].value, ARRAYS[name])
    assert controls[name].value.flags.writeable


def test_what_a_control_tells(controls):
    control = controls["Power Line-Frequency"]
    assert (control.name, control.label, control.type) == ("power_line_frequency", "Power Line Frequency", "menu")
    assert control.menu == {0: "Disabled", 1: "50 Hz", 3: "Auto"}
    assert control.klass == "User Controls"
    assert control.value.text == "50 Hz"
    assert copy.copy(control.value).text == "50 Hz"
    assert repr(control) == "<Control power_line_frequency menu 1 (50 Hz)>"
    assert controls["link_frequency"].menu == {0: 400000000, 1: 800000000}
    gain = controls["gain_stepped"]
    assert (gain.minimum, gain.maximum, gain.step, gain.default) == (0, 100, 10, 50)
    assert controls["mask"].maximum == 0x80000011
    assert controls["pixel_rate"].maximum == 1 << 50
    assert controls["matrix"].shape == (2, 3)
    assert controls["matrix"].elements == 6
    assert controls["queue"].shape == (10,)
    assert controls["queue"].elements == 1
    assert controls["queue"].flags & ControlFlag.DYNAMIC_ARRAY
    assert controls["region"].minimum == Rect(0, 0, 1, 1)
    assert controls["region"].maximum == Rect(0, 0, 640, 480)
    assert controls["cells"].minimum is None
    assert controls["cells"].step is None
    assert controls["stateless_fwht"].value.dtype == structure_dtype("fwht_params")
    assert not controls["locked"].writable
    assert not controls["secret"].readable


def test_structures_take_fields(controls):
    controls["stateless_fwht"].value = {"width": 64, "height": 48}
    assert controls["stateless_fwht"].value["width"] == 64
    value = controls["stateless_fwht"].value
    value["height"] = 32
    controls.stateless_fwht = value
    assert controls.stateless_fwht["height"] == 32
    with pytest.raises(ControlError, match="has no field 'depth'; it has backward_ref_ts"):
        controls.stateless_fwht = {"depth": 1}
    with pytest.raises(ControlError, match="is a area of 8 bytes with the fields width, height"):
        controls.cells = (1, 2, 3)
    with pytest.raises(ControlError, match="area"):
        controls.cells = (-1, 2)


def test_as_a_collection(controls):
    assert len(controls) == 25  # neither the class nor what is disabled
    assert "Brightness" in controls
    assert "gone" not in controls
    assert [c.name for c in controls][:2] == ["brightness", "gain_stepped"]
    assert {"brightness", "watch", "set"} <= set(dir(controls))
    assert repr(controls) == "<Controls of camera (/dev/video0, Fake device), 25 controls>"
    assert controls[0x00980900].name == "brightness"
    assert not hasattr(controls, "nothing")
    told = r"no control 'brightnes'; did you mean brightness or light\?"
    with pytest.raises(UnknownControlError, match=told) as caught:
        controls.brightnes = 1
    assert isinstance(caught.value, zcore.ChainError)
    assert isinstance(caught.value, KeyError)
    with pytest.raises(AttributeError, match="'watch' is a method"):
        controls.watch = 1
    json.dumps([control.to_dict() for control in controls])


@pytest.mark.proves("VIDIOC_S_EXT_CTRLS", "VIDIOC_TRY_EXT_CTRLS")
def test_one_call_for_several(fake_kernel, controls):
    granted = controls.set({**VALUES, **ARRAYS})
    assert fake_kernel.count("VIDIOC_S_EXT_CTRLS") == 1
    assert granted["label"] == "abcdef"
    assert not granted.adjusted
    assert not granted.notes
    assert controls.try_({"brightness": 9}) == {"brightness": 9}
    assert controls.brightness == 7
    assert controls.set({}) == {}
    assert controls.set('c,brightness=1,label="abcd"') == {"brightness": 1, "label": "abcd"}


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"brightness": 300}, r"brightness is 0 to 255, not 300 \(the driver would grant 255\)"),
        ({"gain_stepped": 15}, r"0 to 100 in steps of 10, not 15; near are 10 and 20 \(the driver would grant 20\)"),
        ({"pixel_rate": 1 << 60}, r"the driver would grant 1125899906842624"),
        ({"pixel_rate": 1 << 90}, r"pixel_rate is "),
        ({"mask": 2}, "has the bits 0x80000011, and 0x2 of 0x2 are none"),
        ({"mirror": 2}, "mirror is 0 to 1, not 2"),
        ({"mirror": "perhaps"}, r"mirror is a switch \(0 or 1\), not 'perhaps'"),
        ({"brightness": None}, "brightness is a number from 0 to 255, not None"),
        ({"brightness": float("nan")}, "not nan"),
        ({"brightness": [1]}, "not \\[1\\]"),
        ({"power_line_frequency": "51 Hz"}, "no entry '51 Hz'; did you mean '50 Hz'"),
        ({"power_line_frequency": 2}, r"has no entry 2; it has 0 \(Disabled\), 1 \(50 Hz\), 3 \(Auto\)"),
        ({"label": "a"}, "label is 2 to 8 characters, not 'a'"),
        ({"label": "abc"}, "in steps of 2, not 3"),
        ({"label": "ab\0d"}, "without a zero"),
        ({"label": [1]}, r"label is a text, not \[1\]"),
        ({"matrix": 16}, "an array of 2x3 u16, and takes no single value"),
        ({"matrix": [[16, 16], [16, 16]]}, "array of 2x3 u16, not 2x2"),
        ({"matrix": [[16, 16, 16], [16, 15, 16]]}, r"of 16 to 4096; \[1, 1\] is 15"),
        ({"matrix": [[16, 16], [16]]}, "takes no single value"),
        ({"matrix": "text"}, "takes numbers such as '1, 2, 0x3', not 'text'"),
        ({"matrix": ""}, "takes no single value"),
        ({"matrix": "hex:0g"}, "takes bytes as hex:0a0b"),
        ({"matrix": b"abc"}, "12 bytes in all, not 3"),
        ({"offsets": [1.5, 0, 0]}, "takes no single value"),
        ({"queue": [1] * 11}, "up to 10 u32, not 11"),
        ({"queue": []}, "takes no single value"),
        ({"future": 3}, "takes bytes only, not int"),
        ({"temperature": 3}, "control temperature is read-only"),
        ({"brightness": 1, "Brightness": 2}, "'brightness' is set twice"),
    ],
)  # fmt: skip
def test_what_is_none_is_said_before_anything_is_set(fake_kernel, fake, controls, wishes, told):
    with pytest.raises(ControlError, match=told):
        controls.set({"focus": 1, **wishes})
    assert fake_kernel.count("VIDIOC_S_EXT_CTRLS") == 0
    assert fake.item("Focus").value == 0


def test_what_has_no_value(controls):
    with pytest.raises(ControlError, match="go is a button: it has no value"):
        controls.go  # noqa: B018
    with pytest.raises(ControlError, match="secret is write-only"):
        controls.get(["brightness", "secret"])
    controls.secret = 3
    with pytest.raises(ControlError, match="is of type integer and no button"):
        controls["secret"].press()
    with pytest.raises(ControlError, match="has no default"):
        controls["go"].reset()


def test_buttons(fake, controls):
    controls["go"].press()
    controls.go = "whatever"
    assert controls.set({"go": 1}) == {"go": None}
    assert fake.pressed == 3


def test_grabbed_and_inactive_are_explained(controls):
    with pytest.raises(zcore.DeviceBusyError, match=r"camera .*control locked=3 was refused \(it cannot change while"):
        controls.set({"brightness": 4, "locked": 3})
    assert controls.brightness == 128
    assert "inactive" in controls.set({"focus": 3}).notes[0]
    with pytest.warns(RuntimeWarning, match="focus is inactive: another control"):
        controls.focus = 2


def test_a_driver_that_grants_another_value(fake, controls):
    fake.fit = lambda item, value: value // 2
    granted = controls.set({"brightness": 100, "contrast" if "contrast" in controls else "gain_stepped": 0})
    assert granted["brightness"] == 50
    assert granted.adjusted == {"brightness": 100}
    with pytest.warns(RuntimeWarning, match="brightness was asked for 60, and the driver granted 30"):
        controls.brightness = 60
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        controls.brightness = 0


@pytest.mark.parametrize("index", range(4))
def test_the_failing_one_is_named_at_each_index(fake, controls, index):
    names = ["brightness", "matrix", "label", "pixel_rate"]
    fake.broken = index
    values = {**VALUES, **ARRAYS}
    with pytest.raises(zcore.DeviceError, match=f"EIO.*control {names[index]}=") as caught:
        controls.set({name: values[name] for name in names})
    assert (f"after {', '.join(names[:index])} had been set" in str(caught.value)) == (index > 0)


@pytest.mark.parametrize("index", range(3))
def test_validation_names_it_through_try(fake_kernel, fake, controls, index):
    """S_EXT_CTRLS says error_idx == count then; TRY_EXT_CTRLS tells which."""
    names = ["brightness", "mirror", "rotate"]
    fake.refuse = controls[names[index]].id
    validate = fake.validate

    def validate_less(batch, set):
        validate(batch, set)
        for _, control, _ in fake.batch(batch):
            if control.id == fake.refuse:
                from fakekernel import Refusal

                raise Refusal(errno.ERANGE, "not now")

    fake.validate = validate_less
    with pytest.raises(zcore.DeviceError, match=f"control {names[index]}=1?0? was refused .see its range"):
        controls.set(dict.fromkeys(names, 0) | {names[index]: 0} | {"brightness": 1} if index == 0 else
                     dict.fromkeys(names, 0))  # fmt: skip
    assert fake.item("Brightness").value == 128
    assert fake_kernel.count("VIDIOC_TRY_EXT_CTRLS") == 1


def test_unplugged_and_closed(fake, controls):
    controls.brightness  # noqa: B018
    fake.unplug()
    with pytest.raises(zcore.DeviceGoneError, match="ENODEV"):
        controls.brightness = 1
    controls.device.close()
    assert "closed" in repr(controls)
    with pytest.raises(OSError):
        controls.brightness  # noqa: B018


def test_snapshot_and_reset(fake, controls):
    before = controls.snapshot()
    assert {"brightness", "matrix", "queue"} <= before.keys()
    assert not {"temperature", "secret", "go"} & before.keys()
    before.pop("locked")
    controls.set({**VALUES, **ARRAYS})
    assert controls.brightness == 7
    controls.set(before)
    assert controls.brightness == 128
    assert np.array_equal(controls.queue, [5])
    controls.set({"brightness": 3, "matrix": ARRAYS["matrix"]})
    granted = controls.reset()
    assert granted["brightness"] == 128
    assert "locked" not in granted
    assert np.array_equal(controls.matrix, np.full((2, 3), 16))


def test_a_dynamic_array_that_grows_meanwhile(fake, controls):
    describe = fake.vidioc_query_ext_ctrl
    queue = fake.item("Queue")

    def smaller(file, query):
        describe(file, query)
        if query.id == fake.id_of("Queue") and query.dims[0] == 10:
            query.dims[0] = 2 if not smaller.asked else 10
            smaller.asked += 1

    smaller.asked = 0
    controls.refresh()
    fake.vidioc_query_ext_ctrl = smaller
    queue.value = np.arange(1, 6, dtype="u4").tobytes()
    assert controls.queue.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.proves("VIDIOC_QUERYCTRL", "VIDIOC_G_CTRL", "VIDIOC_S_CTRL")
@pytest.mark.parametrize("next_known", [False, True])
def test_drivers_of_old(fake_kernel, fake, controls, next_known):
    fake.ancient, fake.next_known = True, next_known
    assert "brightness" in controls
    assert "matrix" not in controls
    controls.brightness = 9
    assert controls.brightness == 9
    assert controls.set({"mirror": 1, "gain_stepped": 20}) == {"mirror": True, "gain_stepped": 20}
    with pytest.raises(zcore.DeviceBusyError, match="control locked=1 was refused"):
        controls.set({"mirror": 0, "locked": 1})
    assert fake_kernel.count("VIDIOC_S_CTRL") == 5


@pytest.mark.proves("T15")
def test_what_changes_the_layout_is_refused_while_there_are_buffers(fake):
    with zcore.Capture("/dev/video0") as camera:
        camera.configure()
        with pytest.raises(ControlError, match=r"rotate changes the layout of buffers.*has buffers allocated"):
            camera.controls.rotate = 90
        assert camera.controls.try_({"rotate": 90})
        camera.output.reset()
        camera.controls.rotate = 90
        assert camera.caps is None  # what was read of the format may be wrong now
        camera.configure()


def test_raw_calls(controls):
    device = controls.device
    matrix, brightness, rate = (controls[name].id for name in ("matrix", "brightness", "pixel_rate"))
    raw = np.full((2, 3), 99, "u2").tobytes()
    eight = (12).to_bytes(8, "little")
    assert set_raw(device, [(matrix, raw), (brightness, 5), (rate, eight, True)]) == (
        0, -1, [raw, (5).to_bytes(8, "little"), eight],
    )  # fmt: skip
    assert get_raw(device, [(matrix, 12), (brightness, 0)])[2][0] == raw
    assert get_raw(device, [(matrix, 12)], which=0x0F000000)[2][0] == np.full((2, 3), 16, "u2").tobytes()
    assert get_raw(device, [(matrix, 4)])[0] == errno.ENOSPC
    with pytest.raises(ValueError, match="1 to 1024"):
        get_raw(device, [])
    with pytest.raises(ValueError, match="8 bytes, not 3"):
        set_raw(device, [(rate, b"abc", True)])


def test_stages_have_them(fake):
    camera = zcore.Capture("/dev/video0", extra_controls='c,label="abcd",brightness=3')
    camera.controls.brightness += 1  # opens it
    assert camera.controls.brightness == 4
    first = camera.controls
    assert camera.controls is first
    camera.close()
    with pytest.raises(OSError):
        first.brightness  # noqa: B018
    with camera:
        assert camera.controls.brightness == 3

"""Controls and events on the kernel's own drivers; vivid has a control of every type."""

import re
import shutil
import subprocess
import threading
import time

import numpy as np
import pytest

import zcore
from testbed import drivers
from zcore._v4l2_device import V4l2Device
from zcore.controls import Area, ControlError, Controls, UnknownControlError
from zcore.stages.structures import plain_name


@pytest.fixture
def camera(vivid):
    with zcore.Capture(vivid, "XR24", (320, 180)) as camera:
        yield camera
        if camera.is_open:
            camera.controls.reset()


ARRAYS = {
    "u32_1_element_array": (np.uint32, (1,)),
    "u16_8x16_matrix": (np.uint16, (8, 16)),
    "u8_2x3x4x5_array": (np.uint8, (2, 3, 4, 5)),
    "s32_2_element_array": (np.int32, (2,)),
    "s64_5_element_array": (np.int64, (5,)),
}


@pytest.mark.proves("VIDIOC_QUERY_EXT_CTRL", "VIDIOC_G_EXT_CTRLS", "VIDIOC_S_EXT_CTRLS", "VIDIOC_TRY_EXT_CTRLS")
def test_every_type_goes_in_and_out(camera):
    controls = camera.controls
    for name, value in {
        "brightness": 100, "boolean": False, "integer_32_bits": -(1 << 31), "integer_64_bits": (1 << 62) + 7,
        "menu": 4, "integer_menu": 3, "string": "abc", "bitmask": 0x80002000, "area": Area(17, 23),
    }.items():  # fmt: skip
        controls[name].value = value
        assert controls[name].value == value, name
        assert getattr(controls, name) == value
        controls[name].reset()
        assert controls[name].value == controls[name].default
    assert controls["menu"].menu[4] == "Menu Item 4"
    assert controls.menu.text == "Menu Item 3"
    controls.menu = "Menu Item 1"
    assert controls.menu == 1
    assert 42 in controls["integer_menu"].menu.values()
    assert controls["integer_64_bits"].minimum == -(1 << 63)
    for name, (kind, shape) in ARRAYS.items():
        control = controls[name]
        assert control.shape == shape
        before = control.value
        assert (before.dtype, before.shape) == (kind, shape)
        assert np.array_equal(before, control.default)
        wish = np.arange(before.size).reshape(shape) % 5 + control.minimum
        control.value = wish
        assert np.array_equal(control.value, wish), name
        with pytest.raises(ControlError, match=r"array of .*is"):
            control.value = wish + (1 << 20)
    pixels = controls["u8_pixel_array"]
    assert pixels.value.shape == pixels.shape
    assert len(pixels.shape) == 2
    controls["button"].press()
    with pytest.raises(ControlError, match="is a button: it has no value"):
        controls["button"].value  # noqa: B018
    with pytest.raises(ControlError, match="is read-only"):
        controls.read_only_integer_32_bits = 1
    assert controls["read_only_integer_32_bits"].value in range(256)


def test_dynamic_array_grows_and_shrinks(camera):
    control = camera.controls["u32_dynamic_array"]
    for wish in ([20, 30, 40], [50], list(range(10, 90))):
        control.value = wish
        assert control.value.tolist() == wish
        assert control.elements == len(wish)
    with pytest.raises(ControlError, match="up to 100 u32"):
        control.value = [10] * 101


def test_several_at_once_or_none(camera):
    controls = camera.controls
    granted = controls.set({"Brightness": 11, "contrast": 12, "string": "ab", "u16_8x16_matrix": np.full((8, 16), 99)})
    assert granted["brightness"] == 11
    assert not granted.adjusted
    assert controls.get(["brightness", "contrast"]) == {"brightness": 11, "contrast": 12}
    with pytest.raises(ControlError, match=r"brightness is 0 to 255, not 300.*the driver would grant 255"):
        controls.set({"contrast": 13, "brightness": 300})
    with pytest.raises(UnknownControlError, match="did you mean brightness"):
        controls.set({"contrast": 13, "brightnes": 1})
    assert controls.contrast == 12
    assert controls.try_({"contrast": 14}) == {"contrast": 14}
    assert controls.contrast == 12


def test_snapshot_comes_back(camera):
    controls = camera.controls
    before = controls.snapshot()
    controls.set({"brightness": 1, "string": "zz", "u8_2x3x4x5_array": np.full((2, 3, 4, 5), 0x1F)})
    controls.set(before)
    after = controls.snapshot()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_while_it_streams_in_another_thread(camera):
    camera.configure()
    seen = []
    stop = threading.Event()

    def turn():
        for value in range(0, 250, 10):
            camera.controls.brightness = value
            seen.append(camera.controls.brightness)
            if stop.is_set():
                return

    thread = threading.Thread(target=turn)
    thread.start()
    assert sum(1 for _ in camera.frames(10)) == 10
    thread.join()
    stop.set()
    assert seen == list(range(0, 250, 10))


@pytest.mark.proves("vidioc-dqevent:control")
@pytest.mark.proves("VIDIOC_SUBSCRIBE_EVENT", "VIDIOC_DQEVENT", "VIDIOC_UNSUBSCRIBE_EVENT", "T27")
def test_changes_are_told_whoever_makes_them(camera, vivid):
    controls = camera.controls
    with controls.watch("brightness", "u16_8x16_matrix", timeout=0.5) as watch:
        assert watch.next(0) is None
        with V4l2Device(vivid) as other:
            theirs = Controls(other)
            theirs.brightness = 33
            change = watch.next(5)
            assert (change.name, change.value, change.what) == ("brightness", 33, frozenset({"value"}))
            assert (change.minimum, change.maximum, change.missed) == (0, 255, 0)
            theirs["u16_8x16_matrix"].value = np.full((8, 16), 77)
            change = watch.next(5)
            assert change.name == "u16_8x16_matrix"
            assert (change.value == 77).all()
            for value in (1, 2, 3):  # the kernel keeps one for each control
                theirs.brightness = value
            change = watch.next(5)
            assert (change.value, change.missed) == (3, 2)
        controls.brightness = 44  # our own, too
        assert [change.value for change in watch] == [44]
    with controls.watch("brightness", initial=True) as watch:
        assert watch.next(5).value == 44


def test_two_readers_and_a_chain_on_one_descriptor(camera):
    """Each reader finds what it waits for."""
    told = []
    with camera.controls.watch("brightness") as watch, camera.watch_events("source_change", timeout=10) as signals:
        with camera.controls.on_change(told.append, "brightness"):
            camera.controls.brightness = 9
            assert watch.next(5).value == 9
            deadline = time.monotonic() + 5
            while not told and time.monotonic() < deadline:
                time.sleep(0.01)
            assert told[0].value == 9
        Controls(camera.controls.device).brightness = 10
        assert watch.next(5).value == 10
        assert signals.next(0) is None


SHORT = {"int": "integer", "int64": "integer64", "bool": "boolean", "str": "string", "intmenu": "integer_menu"}


@pytest.mark.skipif(shutil.which("v4l2-ctl") is None, reason="no v4l2-ctl (ENOENT)")
def test_lists_what_v4l2_ctl_lists(camera, vivid):
    text = subprocess.run(
        ["v4l2-ctl", "-d", vivid, "--list-ctrls-menus"], capture_output=True, text=True, check=True
    ).stdout
    theirs, menus = {}, {}
    for line in text.splitlines():
        if found := re.match(r"\s*(\w+) 0x([0-9a-f]{8}) \((\w+)\s*\)\s*:(.*)", line):
            last = int(found[2], 16)
            theirs[last] = (found[1], found[3], found[4])
        elif found := re.match(r"\s+(\d+): (.*)", line):
            menus.setdefault(last, {})[int(found[1])] = found[2].split(" (0x")[0]
    ours = {control.id: control for control in camera.controls}
    new = {id for id, control in ours.items() if control.type in ("integer", "integer64") and control.shape}
    assert theirs.keys() | new == ours.keys(), text  # arrays of signed numbers are younger than some v4l2-ctl
    for id, (name, kind, rest) in theirs.items():
        control = ours[id]
        assert name == control.name == plain_name(control.label)
        assert SHORT.get(kind, kind) == control.type
        facts = dict(re.findall(r"(\w+)=(-?\d+)(?= |$)", rest))
        if control.type in ("integer", "integer64"):
            assert int(facts["min"]) == control.minimum
            assert int(facts["max"]) == control.maximum
            if not control.shape:
                assert int(facts["default"]) == control.default
        if id in menus:
            assert {index: str(text) for index, text in control.menu.items()} == menus[id]


def test_fwht_structures(camera):
    with drivers.vicodec() as nodes:
        path = nodes.one("m2m", "stateless-decoder").path
        with V4l2Device(path) as device:
            controls = Controls(device)
            control = next(one for one in controls if one.type == "fwht_params")
            assert control.value.dtype.names[:3] == ("backward_ref_ts", "version", "width")
            default = control.default
            with pytest.raises(zcore.DeviceError, match=r"EINVAL.*control fwht_stateless_parameters=.* was refused"):
                control.value = {"version": 3}
            flags = 2 << 16 | 1 << 19  # three components, YUV: what the driver's first format is
            fields = {name: default[name] for name in default.dtype.names}
            control.value = {**fields, "width": 640, "height": 360, "flags": flags}
            assert (control.value["width"], control.value["height"]) == (640, 360)

"""Inputs, outputs, standards, timings and priority on the fake kernel."""

import errno

import pytest

import zcore
from fakekernel import FakeCamera
from fakekernel.v4l2_state import PAL, FakeTransmitter, FakeTuner, timings
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_inputs import dv_timings_cap
from zcore.errors import DeviceBusyError, DeviceError, NegotiationError
from zcore.stages.timings import STANDARDS, follow_signal, standard_name, status_text


@pytest.fixture
def tuner(fake_kernel):
    return FakeTuner(fake_kernel)


@pytest.mark.proves("VIDIOC_ENUMINPUT", "VIDIOC_G_INPUT", "VIDIOC_S_INPUT")
@pytest.mark.parametrize("wanted", ["HDMI 0", "hdmi", 2])
def test_input_by_name_or_number(tuner, wanted):
    with zcore.Capture("/dev/video0", input=wanted) as camera:
        assert camera.connector.name == "HDMI 0"
        assert [one.name for one in camera.connectors] == ["Webcam 0", "S-Video 0", "HDMI 0"]
        camera.connector = 0
        assert camera.connector.name == "Webcam 0"
    assert tuner.chosen == 0


def test_input_that_is_not_there(tuner):
    with (
        pytest.raises(NegotiationError, match="no input 'SDI'; it has 0 'Webcam 0', 1"),
        zcore.Capture("/dev/video0", input="SDI"),
    ):
        pass
    with pytest.raises(NegotiationError, match="no input 7"), zcore.Capture("/dev/video0", input=7):
        pass
    with pytest.raises(NegotiationError, match=r"several '0'.*whole name"), zcore.Capture("/dev/video0", input="0"):
        pass
    for wrong, error in ((True, TypeError), (1.5, TypeError), (" ", ValueError)):
        with pytest.raises(error), zcore.Capture("/dev/video0", input=wrong):
            pass


def test_device_without_inputs(fake_kernel):
    FakeCamera(fake_kernel)
    with zcore.Capture("/dev/video0") as camera:
        assert camera.connectors == []
        assert camera.connector is camera.standard is camera.dv_timings is camera.priority is None
        assert camera.standards == camera.dv_timings_list == []
        assert camera.edid() == b""
        assert camera.signal() == ("", "", None)
    with pytest.raises(NegotiationError, match="no choice"), zcore.Capture("/dev/video0", input=0):
        pass


@pytest.mark.proves("VIDIOC_ENUMSTD", "VIDIOC_G_STD", "VIDIOC_S_STD", "T15")
@pytest.mark.parametrize(("name", "height"), [("PAL", 576), ("pal_b", 576), ("NTSC-M", 480), (PAL, 576)])
def test_standard_by_name(tuner, name, height):
    with zcore.Capture("/dev/video0", input="S-Video", standard=name) as camera:
        assert camera.configure().size == (720, height)
        assert camera.standards == ["NTSC", "PAL"]
        camera.output.reset()
        camera.standard = "PAL"
        assert camera.standard == "PAL"
        assert camera.caps.size == (720, 576)


def test_standard_that_is_not_there(tuner):
    with (
        pytest.raises(NegotiationError, match="did you mean 'PAL"),
        zcore.Capture("/dev/video0", input="S-Video", standard="PALL"),
    ):
        pass
    with (
        pytest.raises(NegotiationError, match="no standard 'SECAM'"),
        zcore.Capture("/dev/video0", input="S-Video", standard="SECAM"),
    ):
        pass
    with (
        pytest.raises(NegotiationError, match=r"no television standards \('S-Video 0' has standards"),
        zcore.Capture("/dev/video0", input=0, standard="PAL"),
    ):
        pass
    with pytest.raises(TypeError), zcore.Capture("/dev/video0", input="S-Video", standard=2.5):
        pass


@pytest.mark.proves("VIDIOC_QUERYSTD")
def test_standard_of_the_signal(tuner):
    tuner.connectors[1][2] = 0x2
    with (
        pytest.raises(DeviceError, match="says: no signal"),
        zcore.Capture("/dev/video0", input="S-Video", standard="auto"),
    ):
        pass
    tuner.signal, tuner.connectors[1][2] = PAL, 0
    with zcore.Capture("/dev/video0", input="S-Video", standard="auto") as camera:
        assert camera.standard == "PAL"
        assert camera.signal().standard == "PAL"
        tuner.signal = STANDARDS["NTSC"]
        follow_signal(camera.output.device)
        assert camera.standard == "NTSC"
        tuner.signal = None
        assert camera.signal() == ("no standard recognised", "", None)
        with pytest.raises(DeviceError, match="no standard was recognised"):
            follow_signal(camera.output.device)


@pytest.mark.proves("VIDIOC_ENUM_DV_TIMINGS", "VIDIOC_S_DV_TIMINGS", "VIDIOC_G_DV_TIMINGS", "VIDIOC_DV_TIMINGS_CAP")
@pytest.mark.parametrize(
    ("name", "found"),
    [("1280x720p50", "1280x720p50"), ("1280x720", "1280x720p50"), ("1920x1080i50", "1920x1080i50"),
     ("640X480p59.94", "640x480p60")],
)  # fmt: skip
def test_timings_by_name(tuner, name, found):
    with zcore.Capture("/dev/video0", input="HDMI", dv_timings=name) as camera:
        assert camera.dv_timings.name == found
        assert camera.configure().size == (camera.dv_timings.width, camera.dv_timings.height)
        camera.output.reset()
        camera.dv_timings = camera.dv_timings_list[0]
        assert camera.caps.size == (640, 480)
        assert dv_timings_cap(camera.output.device).width == (16, 4096)


def test_timings_that_are_not_there(tuner):
    with (
        pytest.raises(NegotiationError, match=r"no timings '1280x720p60'; it has 1280x720p50, "),
        zcore.Capture("/dev/video0", input="HDMI", dv_timings="1280x720p60"),
    ):
        pass
    with (
        pytest.raises(NegotiationError, match=r"no DV timings .*'HDMI 0' has DV timings"),
        zcore.Capture("/dev/video0", input=0, dv_timings="1280x720p60"),
    ):
        pass
    with pytest.raises(ValueError, match="named like"), zcore.Capture("/dev/video0", input=2, dv_timings="720p"):
        pass
    with pytest.raises(TypeError), zcore.Capture("/dev/video0", input=2, dv_timings=720):
        pass


@pytest.mark.proves("VIDIOC_QUERY_DV_TIMINGS")
def test_timings_of_the_signal(tuner):
    tuner.connectors[2][2] = 0x10002
    for signal, says in (
        (None, "no signal.*the input says: no signal, no sync"),
        (("errno", errno.ENOLCK), "unstable"),
        (("errno", errno.ERANGE), "out of range"),
    ):
        tuner.signal = signal
        with pytest.raises(DeviceError, match=says), zcore.Capture("/dev/video0", input=2, dv_timings="auto"):
            pass
    with (
        pytest.raises(NegotiationError, match="no DV timings"),
        zcore.Capture("/dev/video0", input=0, dv_timings="auto"),
    ):
        pass
    tuner.connectors[2][2] = 0
    tuner.signal = timings(800, 600, 75)
    with zcore.Capture("/dev/video0", input=2, dv_timings="auto") as camera:
        assert camera.dv_timings.name == "800x600p75"
        assert camera.signal()[:2] == ("", "")
        assert camera.signal().timings == camera.dv_timings
        assert camera.configure().size == (800, 600)
        tuner.signal = None
        assert camera.signal().status == "no signal"


@pytest.mark.proves("T9")
@pytest.mark.parametrize("change", ["connector", "standard", "dv_timings"])
def test_signal_cannot_change_under_buffers(tuner, change):
    before = {"connector": 0, "standard": 1, "dv_timings": 2}[change]
    with zcore.Capture("/dev/video0", input=before) as camera:
        camera.configure()
        with pytest.raises(DeviceBusyError, match="buffers are allocated"):
            setattr(camera, change, {"connector": "HDMI", "standard": "PAL", "dv_timings": "1280x720p50"}[change])
        camera.output.reset()
        setattr(camera, change, {"connector": "HDMI", "standard": "PAL", "dv_timings": "1280x720p50"}[change])


@pytest.mark.proves("VIDIOC_S_PRIORITY", "VIDIOC_G_PRIORITY")
def test_priority(tuner):
    with zcore.Capture("/dev/video0", priority="record") as camera:
        assert camera.priority == "record"
        with pytest.raises(DeviceBusyError), zcore.Capture("/dev/video0", priority="interactive"):
            pass
    with pytest.raises(ValueError, match="background, interactive, record"):
        zcore.Capture("/dev/video0", priority="high")
    with pytest.raises(ValueError, match="not both"):
        zcore.Capture("/dev/video0", standard="PAL", dv_timings="auto")


@pytest.mark.proves("vidioc-g-selection:compose")
@pytest.mark.proves("VIDIOC_ENUMOUTPUT", "VIDIOC_G_OUTPUT", "VIDIOC_S_OUTPUT", "VIDIOC_G_EDID")
def test_outputs(fake_kernel):
    sender = FakeTransmitter(fake_kernel)
    with zcore.Output("/dev/video2", output="HDMI", dv_timings="1280x720p50", compose=(0, 0, 320, 240)) as output:
        assert output.connector.name == "HDMI 0"
        assert output.dv_timings.name == "1280x720p50"
        assert output.compose == (0, 0, 320, 240)
        assert len(output.edid()) == 256
        output.connector = "S-Video"
        output.standard = "PAL"
        assert output.standard == "PAL"
    assert sender.chosen == 0
    with pytest.raises(ValueError, match="no signal to detect"):
        zcore.Output("/dev/video2", dv_timings="auto")


def test_nothing_stays_open_after_a_refusal(tuner):
    with pytest.raises(NegotiationError), zcore.Capture("/dev/video0", input="none such"):
        pass
    assert not [file for file in tuner.files if file.open]


def test_words():
    assert status_text(0x1 | 0x2000000) == "no power, access denied"
    assert standard_name(0x5) == "PAL-B/PAL-G"
    assert standard_name(0) == "none"
    assert STANDARDS["PAL-60"] == 0x800
    assert STANDARDS["SECAM-LC"] == 0x800000
    assert STANDARDS["ATSC-16-VSB"] == 0x2000000


def test_closed_and_forked_state(tuner):
    device = V4l2Device("/dev/video0")
    device.close()
    with pytest.raises(DeviceError):
        dv_timings_cap(device)


@pytest.mark.proves("VIDIOC_ENUMINPUT")
def test_devices_are_listed_with_their_inputs(tuner, monkeypatch, capsys):
    from zcore import devices
    from zcore.cli import main

    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video0"])
    monkeypatch.setattr(devices, "card_paths", list)
    tuner.chosen, tuner.connectors[2][2] = 2, 2
    (found,) = devices.video_devices()
    assert [(one.name, one.chosen, one.status) for one in found.connectors][1:] == [
        ("S-Video 0", False, ""),
        ("HDMI 0", True, "no signal"),
    ]
    assert found.connectors[2].signals[0] == "640x480p60"
    assert main(["devices"]) == 0
    assert "input HDMI 0 (chosen): no signal" in capsys.readouterr().out

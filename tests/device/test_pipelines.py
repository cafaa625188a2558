"""GStreamer's textbook pipelines, which hang or are refused there on these drivers: without a copy, pixels checked."""

import json

import numpy as np
import pytest

import zcore
from testbed import drivers
from zcore.cli import main

FRAMES = 30


@pytest.fixture
def vicodec():
    with drivers.vicodec() as nodes:
        yield nodes


def still(vivid):
    """Let the camera draw the same picture over and over."""
    with zcore.Capture(vivid) as camera:
        camera.control("OSD Text Mode", 2)


def assert_no_copy(report, frames=FRAMES):
    assert report.frames == frames
    assert report.zero_copy
    for link in report.links:
        assert link.copied_frames == link.copied_bytes == 0
        assert link.reattaches == 0


def run_to_display(text, frames=FRAMES, strict=True):
    """Run a pipeline into kmssink; gives the report, what was shown, and the frame that is on the screen."""
    chain = zcore.launch(text)
    with chain:
        report = chain.run(frames=frames, require_zero_copy=strict)
        display = chain["kmssink0"]
        shown = display.screenshot()
        frame = display.scanout.frame_on_screen()
        planes = [plane.copy() for plane in frame.planes()]
        del frame
    return report, shown, planes


def assert_shown(shown, picture):
    height, width = picture.shape[:2]
    top, left = (shown.shape[0] - height) // 2, (shown.shape[1] - width) // 2
    inner = shown[top : top + height, left : left + width]
    assert np.array_equal(inner[..., :3], picture[..., :3])
    assert len(np.unique(inner[::16, ::16].reshape(-1, 4), axis=0)) >= 8


def rgb565_as_shown(array):
    """What vkms' writeback makes of RGB565: 16 bits a channel inside, rounded to 8."""
    channels = [(array & 31, 31), (array >> 5 & 63, 63), (array >> 11, 31)]  # B, G, R
    return np.stack([np.rint(np.rint(c * (65535 / top)) / 257).astype(np.uint8) for c, top in channels], axis=-1)


def test_camera_to_display(vivid, vkms):
    report, shown, (picture,) = run_to_display(
        f"v4l2src device={vivid} io-mode=dmabuf ! video/x-raw(memory:DMABuf),width=1920,height=1080 ! kmssink"
    )
    assert_no_copy(report)
    assert report.links[0].memory == "dmabuf"
    assert "memory:DMABuf" in report.links[0].caps
    assert picture.shape == (1080, 1920, 4)
    assert_shown(shown, picture)


def test_camera_to_encoder_to_file(vivid, vicodec, tmp_path):
    still(vivid)
    target = tmp_path / "test.fwht"
    source = f"v4l2src device={vivid} io-mode=dmabuf ! video/x-raw,format=NV12,width=1280,height=720"
    report = zcore.launch(f"{source} ! v4l2fwhtenc output-io-mode=dmabuf ! filesink location={target}").run(
        frames=FRAMES, require_zero_copy=True
    )
    assert_no_copy(report)
    data = target.read_bytes()
    assert data.count(b"\x4f\x4f\x4f\x4f\xff\xff\xff\xff") == FRAMES
    # What the file says when it is decoded again is what the camera gave, but for what the codec loses.
    decoded = []
    chain = zcore.launch(f"filesrc location={target} ! v4l2fwhtdec ! appsink name=sink")
    chain["sink"].on_frame = lambda frame: decoded.append(frame.planes()[0].copy())
    assert chain.run().frames == FRAMES
    original = []
    camera = zcore.Capture(vivid, "NV12", (1280, 720))
    zcore.Chain(camera, zcore.Callback(lambda frame: original.append(frame.planes()[0].copy()))).run(frames=1)
    assert len(decoded) == FRAMES
    assert decoded[0].shape == original[0].shape == (720, 1280)
    assert decoded[0].std() > 20
    assert np.abs(decoded[-1].astype(int) - original[0].astype(int)).mean() < 8


def test_textbook_encoder_pipeline(vivid, vicodec, tmp_path):
    target = tmp_path / "test.fwht"
    report = zcore.launch(
        f"v4l2src device={vivid} io-mode=dmabuf ! video/x-raw,width=1280,height=720"
        f" ! v4l2fwhtenc output-io-mode=dmabuf ! filesink location={target}"
    ).run(frames=10, require_zero_copy=True)
    assert_no_copy(report, 10)
    assert target.read_bytes().count(b"\x4f\x4f\x4f\x4f\xff\xff\xff\xff") == 10


def test_camera_to_converter_to_display(vivid, vim2m, vkms):
    report, shown, (picture,) = run_to_display(
        f"v4l2src device={vivid} io-mode=dmabuf ! v4l2convert capture-io-mode=dmabuf output-io-mode=dmabuf"
        " ! video/x-raw(memory:DMABuf),format=RGB16 ! kmssink"
    )
    assert_no_copy(report)
    # No size was asked for and the camera may stand at 1080p: the planner finds one that the converter takes.
    assert picture.shape[0] <= 480
    assert_shown(shown, rgb565_as_shown(picture))


@pytest.mark.parametrize(
    ("source", "taking", "giving"),
    [
        ("dmabuf", "dmabuf-import", "dmabuf"),
        ("dmabuf-import", "dmabuf", "dmabuf"),
        ("dmabuf", "dmabuf-import", "dmabuf-import"),
        ("auto", "auto", "auto"),
    ],
)
@pytest.mark.proves("v4l2-buffers:import")
def test_directions_of_import(vivid, vim2m, vkms, source, taking, giving):
    report, shown, (picture,) = run_to_display(
        f"v4l2src device={vivid} io-mode={source} ! video/x-raw,width=640,height=480"
        f" ! v4l2convert output-io-mode={taking} capture-io-mode={giving} ! video/x-raw,format=RGB16 ! kmssink"
    )
    assert_no_copy(report)
    assert report.links[0].memory == ("dmabuf-import" if source == "dmabuf-import" else "dmabuf")
    if giving == "dmabuf-import":
        assert report.links[1].memory == "dmabuf-import"
        assert report.links[1].allocator.startswith("dumb:")
    assert_shown(shown, rgb565_as_shown(picture))


def test_mmap_shows_its_copies_with_the_reason(vivid, vkms):
    text = f"v4l2src device={vivid} io-mode=mmap ! video/x-raw,format=BGRx,width=640,height=480 ! kmssink"
    report, shown, (picture,) = run_to_display(text, strict=False)
    assert report.frames == FRAMES
    assert not report.zero_copy
    (link,) = report.links
    assert link.copied_frames == FRAMES
    assert link.copied_bytes == FRAMES * 640 * 480 * 4
    assert "io mode mmap" in link.reason
    assert_shown(shown, picture)
    with pytest.raises(zcore.ZeroCopyError, match="io mode mmap"):
        zcore.launch(text).run(frames=1, require_zero_copy=True)


@pytest.mark.proves("v4l2-buffers:userptr")
def test_userptr_into_a_converter(vivid, vim2m):
    sums = []
    chain = zcore.launch(
        f"v4l2src device={vivid} io-mode=userptr ! video/x-raw,format=BGR,width=640,height=480"
        " ! v4l2convert output-io-mode=userptr ! video/x-raw,format=RGB16 ! appsink name=sink"
    )
    chain["sink"].on_frame = lambda frame: sums.append(int(frame.array().sum()))
    report = chain.run(frames=FRAMES)
    assert report.links[0].memory == "userptr"
    assert report.links[0].copied_frames == 0
    assert len(sums) == FRAMES
    assert all(sums)


def test_tee_into_file_and_display(vivid, vkms, tmp_path):
    target = tmp_path / "frames.raw"
    report, shown, (picture,) = run_to_display(
        f"v4l2src device={vivid} io-mode=dmabuf ! video/x-raw,format=BGRx,width=640,height=480 ! tee name=t"
        f" t. ! queue ! kmssink t. ! queue ! filesink location={target}"
    )
    assert_no_copy(report)
    size = 640 * 480 * 4
    assert target.stat().st_size == FRAMES * size
    last = np.fromfile(target, np.uint8).reshape(FRAMES, 480, 640, 4)[-1]
    assert np.array_equal(last, picture)
    assert_shown(shown, picture)


def test_leaky_queue_before_a_slow_sink(vivid):
    chain = zcore.launch(
        f"v4l2src device={vivid} io-mode=dmabuf ! video/x-raw,format=BGRx,width=640,height=480,framerate=60/1 !"
        " queue name=q leaky=downstream max-size-buffers=2 ! identity sleep-time=100000 ! fakesink"
    )
    report = chain.run(frames=60)
    assert report.zero_copy
    stages = {stage.name: stage for stage in report.stages}
    dropped = stages["q"].drops["leaky=downstream"]
    assert dropped >= 30
    assert stages["q"].frames_out + dropped == 60
    # The queue's frames are the camera's: the plan has made room for them.
    assert report.links[0].buffers >= 2 + 2 + 3


def test_software_conversion_where_formats_do_not_meet(vivid, vkms):
    text = f"v4l2src device={vivid} ! video/x-raw,format=YUY2,width=640,height=480 ! videoconvert ! kmssink"
    report, shown, (picture,) = run_to_display(text, frames=5, strict=False)
    assert not report.zero_copy
    assert any("YUYV" in link.reason for link in report.links)
    assert_shown(shown, picture)
    with pytest.raises(zcore.ZeroCopyError, match="no common format"):
        zcore.launch(text).run(frames=1, require_zero_copy=True)


def test_size_that_the_camera_has_not(vivid, vkms):
    text = f"v4l2src device={vivid} ! video/x-raw,format=YUY2,width=321,height=240 ! kmssink"
    with pytest.raises(zcore.NegotiationError, match=r"v4l2src0 cannot give what capsfilter0 .*; it gives .*640x480"):
        zcore.launch(text).run(frames=1)


@pytest.fixture
def command(capsys):
    """Run the command in this process: to start another Python takes ten seconds here."""

    def run(*arguments, expect=0):
        try:
            status = main(list(arguments))
        except SystemExit as left:
            status = left.code
        output = capsys.readouterr()
        assert (status or 0) == expect, output.out + output.err
        return output.out + output.err

    return run


def test_launch_command(command, vivid, vkms, tmp_path):
    ledger = tmp_path / "report.json"
    command(
        "launch", "--frames", "10", "--json", str(ledger), "--require-zero-copy",
        f"v4l2src device={vivid} io-mode=dmabuf ! video/x-raw(memory:DMABuf),width=640,height=480 ! kmssink",
    )  # fmt: skip
    report = json.loads(ledger.read_text())
    assert report["frames"] == 10
    assert all(link["zero_copy"] and not link["copied_bytes"] for link in report["links"])


def test_explain_command(command, vivid, vkms, tmp_path):
    graph = tmp_path / "plan.dot"
    text = command("explain", "--dot", str(graph), f"v4l2src device={vivid} ! kmssink")
    assert "zero-copy" in text
    assert "not accepted by kmssink0" in " ".join(text.split())
    assert graph.read_text().startswith("digraph")
    plan = json.loads(command("explain", "--json", f"v4l2src device={vivid} ! kmssink"))
    assert plan["zero_copy"]
    assert any("not offered" in one["why"] for one in plan["links"][0]["rejected"])


def test_inspect_command_says_what_the_devices_grant(command, vivid, vkms, vicodec):
    text = command("inspect")
    for name in ("v4l2src", "kmssink", "v4l2fwhtenc", "v4l2fwhtdec", "queue", "tee"):
        assert name in text
    assert "BGRx" in command("inspect", "kmssink")
    assert "io-mode" in command("inspect", "v4l2src")
    assert "v4l2fwhtenc" in command("inspect", "v4l2h264enc", expect=2)

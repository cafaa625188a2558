"""The pipelines that people bring from GStreamer, on fake devices."""

import itertools

import pytest

import zcore
from codec_rig import Camera, coded, decoder, encoder, planar420
from fakekernel import FakeHeap
from fakekernel.quirky_drm import QuirkyCard
from fakekernel.quirky_v4l2 import QuirkyCamera, QuirkyM2m, Side
from zcore import _alloc, devices

SIZE = "width=64,height=16"


@pytest.fixture
def screen(fake_kernel, monkeypatch):
    """A display with RGB565 and YUYV."""
    card = QuirkyCard(fake_kernel, formats="XR24 RG16 YUYV NV12")
    monkeypatch.setattr(devices, "card_paths", lambda: ["/dev/dri/card0"])
    return card


@pytest.fixture
def converter(fake_kernel, monkeypatch):
    """A converter of YUYV and RGBP to RGBP."""
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video0", "/dev/video1"])
    return QuirkyM2m(fake_kernel, taking=Side("YUYV RGBP"), giving=Side("YUYV RGBP"))


def test_camera_to_screen(fake_kernel, screen):
    QuirkyCamera(fake_kernel, auto=100)
    report = zcore.launch(
        f"v4l2src device=/dev/video0 io-mode=dmabuf ! 'video/x-raw(memory:DMABuf),{SIZE}' ! kmssink"
    ).run(frames=10)
    assert (report.frames, report.zero_copy) == (10, True)
    assert [link.copied_bytes for link in report.links] == [0]
    assert screen.flips >= 10


def test_camera_to_encoder_to_file(fake_kernel, monkeypatch, tmp_path):
    camera = Camera(fake_kernel)
    encoder(fake_kernel)
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video0", "/dev/video1"])
    path = tmp_path / "test.fwht"
    report = zcore.launch(
        f"v4l2src device=/dev/video0 io-mode=dmabuf num-buffers=5 ! 'video/x-raw,{SIZE}'"
        f" ! v4l2fwhtenc output-io-mode=dmabuf ! filesink location={path}"
    ).run()
    assert (report.frames, report.zero_copy) == (5, True)
    assert path.read_bytes() == b"".join(coded(planar420(picture)) for picture in camera.pictures[:5])


def test_camera_to_converter_to_screen(fake_kernel, screen, converter):
    QuirkyCamera(fake_kernel, auto=100)
    report = zcore.launch(
        "v4l2src device=/dev/video0 io-mode=dmabuf ! v4l2convert capture-io-mode=dmabuf output-io-mode=dmabuf"
        " ! 'video/x-raw(memory:DMABuf),format=RGB16' ! kmssink"
    ).run(frames=10)
    assert (report.frames, report.zero_copy) == (10, True)
    assert [link.caps for link in report.links][1].startswith("video/x-raw")
    assert "RGB16" in report.links[1].caps


@pytest.mark.parametrize(
    ("source", "sink"), list(itertools.product(("dmabuf", "dmabuf-import", "mmap", "userptr"), repeat=2))
)
def test_every_pair_of_io_modes_runs_or_says_why(fake_kernel, screen, converter, monkeypatch, source, sink):
    QuirkyCamera(fake_kernel, auto=100)
    FakeHeap(fake_kernel, "/dev/dma_heap/system")
    monkeypatch.setattr(_alloc, "heaps", lambda: ["system"])
    chain = zcore.launch(
        f"v4l2src io-mode={source} ! v4l2convert output-io-mode={sink} ! video/x-raw,format=RGB16 ! kmssink"
    )
    report = chain.run(frames=5)
    assert report.frames == 5
    first = report.links[0]
    shares = {source, sink} <= {"dmabuf", "dmabuf-import"}
    assert first.zero_copy or first.reason
    if shares:
        assert first.zero_copy, first.reason
    if "mmap" in (source, sink) and "userptr" not in (source, sink):
        assert not first.zero_copy
        assert first.copied_frames == 5


def test_camera_to_file_and_screen(fake_kernel, screen, tmp_path):
    camera = QuirkyCamera(fake_kernel, auto=100)
    camera.fills = [b"\x2a" * (64 * 16 * 2)]
    path = tmp_path / "frames"
    report = zcore.launch(
        f"v4l2src io-mode=dmabuf num-buffers=6 ! tee name=t ! queue ! filesink location={path} "
        " t. ! queue leaky=downstream max-size-buffers=2 ! kmssink"
    ).run()
    assert report.zero_copy
    assert path.read_bytes() == b"\x2a" * (6 * 64 * 16 * 2)


def test_encoder_to_decoder_to_screen(fake_kernel, screen, monkeypatch):
    Camera(fake_kernel)
    encoder(fake_kernel)
    decoder(fake_kernel)
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video0", "/dev/video1", "/dev/video2"])
    report = zcore.launch("v4l2src num-buffers=5 ! v4l2fwhtenc ! v4l2fwhtdec ! kmssink sync=false").run()
    assert (report.frames, report.zero_copy) == (5, True)

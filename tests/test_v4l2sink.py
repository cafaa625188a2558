"""V4L2 output devices: what goes out, when it comes back, and how it ends."""

import pytest

import zcore
from codec_rig import Camera
from fakekernel import FakeCamera, FakeEncoder, FakeM2m, FakeOutput, fourcc
from zcore import devices
from zcore.stages.convert import Convert
from zcore.stages.output import Output

PATH = "/dev/video2"


@pytest.fixture(params=[False, True], ids=["single", "mplane"])
def sink(request, fake_kernel):
    made = FakeOutput(fake_kernel, multiplanar=request.param)
    made.auto = True
    return made


def chain(kernel, code="YUYV", **options):
    camera = Camera(kernel, code=code)
    return camera, zcore.Chain(camera.stage(), Output(PATH, **options))


@pytest.mark.parametrize("frames", [1, 2, 50])
@pytest.mark.parametrize("mode", ["auto", "dmabuf-import", "dmabuf"])
def test_every_frame_goes_out(fake_kernel, sink, frames, mode):
    camera, made = chain(fake_kernel, io_mode=mode)
    report = made.run(frames=frames, require_zero_copy=True)
    assert report.frames == frames
    assert sink.shown == camera.pictures[:frames]
    assert sink.times == [1_000_000_000 + 1_000_000 * (n + 1) for n in range(frames)]
    assert report.links[0].copied_bytes == 0


def test_userptr(fake_kernel, sink):
    camera, made = chain(fake_kernel, io_mode="userptr")
    made.run(frames=5, require_zero_copy=True)
    assert sink.shown == camera.pictures[:5]


def test_a_device_that_keeps_its_last_frame_does_not_hold_up_the_end(fake_kernel, sink):
    """It never gives the last one back; the run ends all the same, and the frame is back then."""
    sink.keeps = 1
    _, made = chain(fake_kernel)
    with made:
        report = made.run(frames=6)
        assert report.frames == 6
        assert len(sink.shown) == 5


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_buffers_that_are_left_with_the_device(fake_kernel, sink, kept):
    camera, made = chain(fake_kernel, min_queued_bufs=kept)
    made.run(frames=20)
    assert sink.shown == camera.pictures[:20]
    with pytest.raises(ValueError, match="min_queued_bufs is 0 or more"):
        Output(PATH, min_queued_bufs=-1)


def test_rate_of_the_camera_is_told(fake_kernel, sink):
    _, made = chain(fake_kernel)
    made.run(frames=1)
    assert sink.interval == [1, 30]


def test_runs_again(fake_kernel, sink):
    camera, made = chain(fake_kernel)
    with made:
        for _ in range(3):
            assert made.run(frames=4).frames == 4
    assert len(sink.shown) == 12
    assert sink.shown[:4] == camera.pictures[:4]


def test_controls(fake_kernel, sink):
    _, made = chain(fake_kernel, extra_controls={"contrast": 9})
    made.run(frames=1)
    assert sink.controls[0x00980901][6] == 9


def test_queue_that_fails_is_named(fake_kernel, sink):
    sink.auto = False
    _, made = chain(fake_kernel)
    sink.work = lambda automatic=True: fail(sink)
    with pytest.raises(zcore.DeviceError, match=r"output\d+ .*/dev/video2.*EIO"):
        made.run(frames=10)


def fail(sink):
    if len(sink.output.queued) > 1:
        sink.output.error = True
    for file in sink.files:
        file.set_writable(sink.output.error)


def test_sizes_and_formats(fake_kernel):
    sink = FakeOutput(fake_kernel)
    with Output(PATH) as stage:
        assert [fmt.name for fmt in stage.accepts()] == ["YUYV", "MJPEG"]
        assert str(stage.input_sizes(stage.accepts()[0])).startswith("16x16 to 1920x1080")
        calls = fake_kernel.count("VIDIOC_ENUM_FMT"), fake_kernel.count("VIDIOC_ENUM_FRAMESIZES")
        stage.accepts()
        stage.input_sizes(stage.accepts()[0])
        assert calls == (fake_kernel.count("VIDIOC_ENUM_FMT"), fake_kernel.count("VIDIOC_ENUM_FRAMESIZES"))
        assert stage.input.holds == 3
    assert sink.current[2] == [64, 16, fourcc("YUYV")]  # looking changes nothing


def test_wrong_devices(fake_kernel):
    FakeCamera(fake_kernel)
    FakeM2m(fake_kernel)
    FakeOutput(fake_kernel)
    with pytest.raises(zcore.DeviceError, match="no video output device"):
        Output("/dev/video0").open()
    with pytest.raises(zcore.DeviceError, match="a mem-to-mem device"):
        Output("/dev/video1").open()
    with pytest.raises(ValueError, match="is not open"):
        _ = Output(PATH).input
    with pytest.raises(ValueError, match="io mode"):
        Output(PATH, io_mode="magic")


def test_minimum_of_the_driver_counts(fake_kernel):
    sink = FakeOutput(fake_kernel)
    sink.controls[0x00980928] = ["Min Number of Output Buffers", 1, 1, 32, 1, 1, 7, 0x84]
    with Output(PATH) as stage:
        assert stage.input.holds == 7
    camera = FakeCamera(fake_kernel)
    camera.controls[0x00980927] = ["Min Number of Capture Buffers", 1, 1, 32, 1, 1, 5, 0x84]
    with zcore.Capture("/dev/video0") as stage:
        assert stage.output.holds == 5


# Converters: what they tell before they are set


def test_converter_that_does_not_scale(fake_kernel):
    fake = FakeM2m(fake_kernel)
    with Convert("/dev/video1") as stage:
        assert stage.scales
        grant = fake.grant

        def same_size(fmt):
            fmt.fmt.pix.width, fmt.fmt.pix.height = fake.current[2][:2]
            return grant(fmt)

        fake.grant = same_size
        before = dict(fake.current)
        assert not stage.scales
        assert fake.current == before
        fake_kernel.fail("VIDIOC_TRY_FMT", 22)
        assert stage.scales  # nobody knows: try


def test_converter_of_the_machine(fake_kernel, monkeypatch):
    FakeCamera(fake_kernel)
    FakeM2m(fake_kernel)
    FakeEncoder(fake_kernel, "/dev/video3")
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video0", "/dev/video3", "/dev/video1"])
    with Convert() as stage:
        assert stage.device == "/dev/video1"
    with Convert("fake") as stage:
        assert stage.device == "/dev/video3"  # by the driver's name, whatever it does
    monkeypatch.setattr(devices, "video_paths", lambda: ["/dev/video3"])
    with pytest.raises(zcore.DeviceNotFoundError, match=r"no converter; .*/dev/video3 \(fake\)"):
        Convert().open()


def test_alignment_of_rows(fake_kernel):
    fake = FakeCamera(fake_kernel, code="YUYV")
    with zcore.Capture("/dev/video0") as stage:
        assert stage.output.alignment == 1  # the fake does not listen

        def aligned(fmt):
            wish = fmt.fmt.pix.bytesperline
            line = max(-(-wish // 256) * 256, 256)
            return (
                fake.capture,
                64,
                16,
                fourcc("MJPG" if fmt.fmt.pix.pixelformat == fourcc("MJPG") else "YUYV"),
                [line * 16],
                [line],
            )

        fake.grant = aligned
        stage.output.forget()
        assert stage.output.alignment == 256
        tries = fake_kernel.count("VIDIOC_TRY_FMT")
        assert stage.output.alignment == 256
        assert fake_kernel.count("VIDIOC_TRY_FMT") == tries

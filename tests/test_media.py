"""Media graphs on a strict fake: reading, links, pads, the way to a video node, and why a stream does not start."""

import errno

import pytest

import zcore
from fakekernel.media import ENABLED, RGGB, SINK, SOURCE, YUYV, FakeMedia, FakeSubdev, fake_camera_graph
from zcore._subdev import Route, Subdev
from zcore.media import apply_formats, apply_links, validate


@pytest.fixture
def fake(fake_kernel, monkeypatch):
    return fake_camera_graph(fake_kernel, monkeypatch)


@pytest.fixture
def media(fake):
    return zcore.MediaDevice("/dev/media0")


@pytest.mark.proves("media-controller:topology", "MEDIA_IOC_DEVICE_INFO", "MEDIA_IOC_G_TOPOLOGY")
def test_graph_is_read_whole(fake, media):
    assert (media.driver, media.model, media.bus) == ("fake", "Fake camera", "platform:fake")
    assert [entity.name for entity in media] == ["Sensor", "Other sensor", "Scaler", "Capture"]
    assert [entity.function for entity in media] == ["sensor", "sensor", "scaler", "video node"]
    assert media.entity("Capture").video_path == "/dev/video0"
    assert media.entity("/dev/v4l-subdev2").name == "Scaler"
    assert [str(link) for link in media.links] == [
        "'Sensor':0->'Scaler':0[0]", "'Other sensor':0->'Scaler':0[1]", "'Scaler':1->'Capture':0[1]",
    ]  # fmt: skip
    assert media.links[2].immutable
    assert media.pad("Scaler", 0).must_connect
    with pytest.raises(KeyError, match="no pad 7; its pads: 0, 1"):
        media.pad("Scaler", 7)
    with pytest.raises(KeyError, match="no link 'Scaler':1->'Sensor':0"):
        media.link(media.pad("Scaler", 1), media.pad("Sensor", 0))


def test_graph_that_grows_while_it_is_read_is_read_again(fake):
    fake.grows = 2
    assert len(zcore.MediaDevice("/dev/media0").entities) == 4
    assert fake.grows == 0


def test_old_kernels_do_not_tell_the_index_of_a_pad(fake_kernel, fake):
    fake.version = 0x041200
    original = fake.media_ioc_g_topology

    def without(file, graph):
        original(file, graph)
        from fakekernel.media import PadStruct

        for i in range(graph.num_pads if graph.ptr_pads else 0):
            PadStruct.from_address(graph.ptr_pads + 32 * i).index = 0

    fake.media_ioc_g_topology = without
    assert [pad.index for pad in zcore.MediaDevice("/dev/media0").entity("Scaler").pads] == [0, 1]


@pytest.mark.proves("media-controller:topology")
def test_media_device_of_a_node(fake):
    assert zcore.media_device_of("/dev/video0").path == "/dev/media0"
    assert [one.path for one in zcore.media_devices()] == ["/dev/media0"]
    with pytest.raises(zcore.DeviceNotFoundError, match="no such device node"):
        zcore.media_device_of("/dev/video7")
    fake.kernel.fail("open", errno.EACCES)
    with pytest.raises(zcore.DevicePermissionError):
        zcore.media_device_of("/dev/video0")
    fake.kernel.fail("open", errno.EIO)
    with pytest.raises(zcore.DeviceNotFoundError, match="no media graph"):
        zcore.media_device_of("/dev/video0")


@pytest.mark.proves("media-controller:links", "MEDIA_IOC_SETUP_LINK")
def test_a_link_that_cannot_change_says_why(fake, media):
    with pytest.raises(zcore.DeviceError, match=r"'Scaler':1->'Capture':0.*immutable"):
        apply_links(media, "'Scaler':1->'Capture':0[0]")
    fake.kernel.fail("MEDIA_IOC_SETUP_LINK", errno.EBUSY)
    with pytest.raises(zcore.DeviceError, match=r"'Sensor':0->'Scaler':0\[0\] cannot be enabled.*'Other sensor':0"):
        apply_links(media, "'Sensor':0->'Scaler':0[1]")
    assert not media.links[0].enabled
    fake.kernel.fail("MEDIA_IOC_SETUP_LINK", errno.EINVAL)
    with pytest.raises(zcore.DeviceError, match="refuses to have the link"):
        apply_links(media, "'Sensor':0->'Scaler':0[1]")
    apply_links(media, "'Other sensor':0->'Scaler':0[0], \"Sensor\":0 -> \"Scaler\":0 [1]")
    assert [link[4] & ENABLED for link in fake.links] == [1, 0, 1]
    apply_links(media, "1:0->3:0[0]")  # by the numbers of the entities
    assert not media.links[0].enabled


@pytest.mark.proves("VIDIOC_SUBDEV_S_FRAME_INTERVAL", "VIDIOC_SUBDEV_G_FRAME_INTERVAL")
def test_pads_by_text(fake, media):
    told = apply_formats(media, "'Sensor':0 [fmt:SRGGB8_1X8/128x32@1/15 field:none], 'Scaler':0[fmt:SRGGB8/128x32]")
    assert told[0] == "'Sensor':0 [fmt:SRGGB8_1X8/128x32@1/15 field:none colorspace:srgb]"
    assert fake.part("Sensor")[2].interval == [1, 15]
    assert apply_formats(media, told[0]) == told[:1]
    told = apply_formats(media, "'Scaler':0 [crop:(8,4)/64x16], 'Scaler':1 [fmt:SRGGB8_1X8/32x16, colorspace:rec709]")
    assert "crop:(8,4)/64x16" in told[0]
    assert "32x16" in told[1]
    with pytest.raises(zcore.ChainError, match="has no sub-device node"):
        apply_formats(media, "'Capture':0 [fmt:YUYV8_1X16/64x16]")
    with pytest.raises(zcore.ChainError, match="did you mean 'Sensor'"):
        apply_formats(media, "'Sensr':0 [fmt:YUYV8_1X16/64x16]")


def test_tries_change_nothing(fake, media):
    pad = media.pad("Sensor", 0)
    before = [list(one) for one in fake.part("Sensor")[2].active]
    assert pad.try_format("YUYV8_1X16", (5000, 8))[:3] == (1920, 16, YUYV)
    assert fake.part("Sensor")[2].active == before
    assert pad.codes() == ["SRGGB8_1X8", "SGBRG8_1X8", "YUYV8_1X16"]


@pytest.mark.proves("dev-subdev:formats", "VIDIOC_SUBDEV_S_FRAME_INTERVAL")
def test_camera_is_set_up_with_one_call(fake):
    setup = zcore.configure_camera("/dev/video0", (128, 32))
    assert (setup.source, setup.format, setup.size) == ("Other sensor", "YUYV", (128, 32))  # the enabled way
    assert "'Other sensor':0 [fmt:YUYV8_1X16/320x240]" in str(setup)  # and scaled, as it cannot leave its size
    assert validate(zcore.MediaDevice("/dev/media0"), "Capture") == []
    setup = zcore.configure_camera("/dev/video0", (128, 32), source="Sensor", format="YUY2", rate=15)
    assert fake.part("Sensor")[2].active[0][:3] == [128, 32, YUYV]
    assert fake.part("Sensor")[2].interval == [1, 15]
    assert [link[4] & ENABLED for link in fake.links] == [1, 0, 1]
    assert setup.links[0] == "'Other sensor':0->'Scaler':0[0]"
    fake.part("Sensor")[2].interval = None
    with pytest.raises(zcore.NegotiationError, match="has no frame interval"):
        zcore.configure_camera("/dev/video0", (128, 32), source="Sensor", code="YUYV8_1X16", rate=15)


def test_what_does_not_go_all_the_way_names_the_pads(fake):
    with pytest.raises(zcore.NegotiationError, match="'Sensor':0 gives SGBRG8_1X8/128x32, and 'Scaler':0 answers with"):
        zcore.configure_camera("/dev/video0", (128, 32), source="Sensor", code="SGBRG8_1X8")
    fake.part("Scaler")[2].scales = False
    with pytest.raises(zcore.NegotiationError, match="320x240 and not 128x32"):
        zcore.configure_camera("/dev/video0", (128, 32), source="Other sensor")
    with pytest.raises(ValueError, match="near are SRGGB8_1X8"):
        zcore.configure_camera("/dev/video0", (128, 32), code="SRGGB_1X8")
    with pytest.raises(KeyError, match="no entity 'Sensors'"):
        zcore.configure_camera("/dev/video0", (128, 32), source="Sensors")
    fake.links.clear()
    with pytest.raises(zcore.ChainError, match="no link leads to 'Capture'"):
        zcore.configure_camera("/dev/video0", (128, 32))


@pytest.mark.proves("dev-subdev:validation")
def test_stream_that_cannot_start_names_the_pads(fake):
    fake.part("Scaler")[2].active[0][:2] = [640, 480]
    with zcore.Capture("/dev/video0", "YUYV", (64, 16)) as camera:
        with pytest.raises(zcore.DeviceError, match=r"EPIPE.*gives YUYV8_1X16/64x16, but 'Scaler':0 takes YUYV8.*640"):
            next(camera.frames(1))
    with pytest.raises(zcore.DeviceError, match="'Scaler':0 takes"):
        zcore.Chain(zcore.Capture("/dev/video0", "YUYV", (64, 16)), zcore.FakeSink()).run(frames=1)


@pytest.mark.parametrize(
    ("media", "size", "code"),
    [
        ("YUYV8_1X16/128x32", (128, 32), YUYV),
        (True, (64, 16), RGGB),
        ({"source": "Sensor", "code": "YUYV8_1X16"}, (64, 16), YUYV),
        ("128x32", (128, 32), RGGB),
    ],
)
def test_capture_sets_up_its_graph(fake, media, size, code):
    fake.links[0][4], fake.links[1][4] = ENABLED, 0
    device = fake.part("Capture")[2]
    device.auto = 3
    with zcore.Capture("/dev/video0", media=media) as camera:
        report = zcore.Chain(camera, zcore.FakeSink()).run(frames=3)
    assert report.frames == 3
    assert device.current[1][:2] == list(size)
    assert fake.part("Sensor")[2].active[0][:3] == [*size, code]


def test_capture_takes_media_ctls_texts(fake):
    fake.part("Capture")[2].auto = 1
    text = "'Other sensor':0 [fmt:YUYV/320x240], 'Scaler':0 [fmt:YUYV/320x240], 'Scaler':1 [fmt:YUYV/64x16]"
    with zcore.Capture("/dev/video0", "YUYV", (64, 16), media=text) as camera:
        assert next(camera.frames(1)).array().shape == (16, 64, 2)


@pytest.mark.parametrize("media", ["SRGB/640x480", "640*x", {"colour": 1}, "'A':0 [fmt:X/1x1]", "'A':0->'B'[1]"])
def test_a_wish_with_a_mistake_is_refused_before_anything_opens(fake, media):
    with pytest.raises(ValueError):
        zcore.Capture("/dev/video0", media=media)
    assert fake.kernel.count("open") == 0


@pytest.mark.proves("dev-subdev:validation")
def test_unconnected_pad_and_other_rules(fake, media):
    fake.links[1][4] = 0
    assert [str(one) for one in validate(media, "Capture")] == ["'Scaler':0 must be connected and has no enabled link"]
    fake.links[1][4] = ENABLED
    fake.part("Other sensor")[2].active[0][3] = 4
    fake.part("Scaler")[2].active[0][3] = 5
    found = validate(media, "Capture")
    assert [str(one) for one in found] == [
        "'Other sensor':0 gives field interlaced, but 'Scaler':0 takes field seq-tb"
    ]  # fmt: skip


@pytest.mark.proves("VIDIOC_SUBDEV_G_ROUTING", "VIDIOC_SUBDEV_S_ROUTING", "VIDIOC_SUBDEV_S_CLIENT_CAP")
def test_routes(fake_kernel):
    device = FakeSubdev(fake_kernel, "/dev/v4l-subdev9", [SINK, SINK, SOURCE], [YUYV])
    with Subdev("/dev/v4l-subdev9") as subdev:
        assert subdev.routes() is None
    device.routes = [(0, 0, 2, 0, 1), (1, 0, 2, 1, 0)]
    with Subdev("/dev/v4l-subdev9") as subdev:
        assert device.client == 3
        assert subdev.routes() == [Route(0, 0, 2, 0, 1), Route(1, 0, 2, 1, 0)]
        subdev.set_routes([(1, 0, 2, 0, 1)])
        assert subdev.routes() == [Route(1, 0, 2, 0, 1)]
        with pytest.raises(zcore.DeviceError, match="VIDIOC_SUBDEV_S_ROUTING"):
            subdev.set_routes([(9, 0, 2, 0, 1)])


@pytest.mark.proves("VIDIOC_SUBDEV_ENUM_FRAME_INTERVAL", "VIDIOC_SUBDEV_ENUM_FRAME_SIZE", "VIDIOC_SUBDEV_QUERYCAP")
@pytest.mark.proves("VIDIOC_SUBDEV_G_FRAME_INTERVAL", "VIDIOC_SUBDEV_S_FRAME_INTERVAL")
def test_intervals(fake):
    with Subdev("/dev/v4l-subdev0") as sensor:
        assert sensor.sizes(0, YUYV) == [(16, 1920, 16, 1080)]
        assert sensor.intervals(0, YUYV, 64, 16) == [(1, 15), (1, 30)]
        assert sensor.intervals(0, YUYV, 8, 8) == sensor.intervals(0, 0x1234, 64, 16) == []
        assert sensor.frame_interval(0, (1, 15)) == sensor.frame_interval(0) == (1, 15)
    with Subdev("/dev/v4l-subdev1") as other:
        assert other.intervals(0, YUYV, 64, 16) == []
        assert other.frame_interval(0) is None
        with pytest.raises(zcore.DeviceError, match="VIDIOC_SUBDEV_G_FRAME_INTERVAL"):
            other.frame_interval(0, (1, 15))


def test_what_is_no_media_device(fake_kernel):
    FakeSubdev(fake_kernel, "/dev/media0", [SOURCE], [YUYV])
    with pytest.raises(zcore.DeviceError, match="this is not a media device"):
        zcore.MediaDevice("/dev/media0")
    FakeMedia(fake_kernel, "/dev/media0")
    assert zcore.MediaDevice("/dev/media0").entities == []
    assert [one.path for one in zcore.MediaDevice("/dev/media0").entities] == []

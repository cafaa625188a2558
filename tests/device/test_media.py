"""Media graphs on the kernel's own drivers: vimc's camera, and which nodes of other drivers belong together."""

import json

import pytest

import zcore
from testbed import drivers
from zcore import cli
from zcore.media import apply_formats, apply_links, validate

RAW, RGB = "Raw Capture 0", "RGB/YUV Capture"


def video_nodes():
    """Load vimc if it is not there, and give the paths of its video nodes by name."""
    with drivers.loaded("vimc") as nodes:
        media = zcore.media_device_of(nodes[0].path)
    return {entity.name: entity.video_path for entity in media.entities if entity.video_path}


@pytest.fixture
def vimc():
    """A graph as the test before left it."""
    return video_nodes()


@pytest.fixture
def fresh_vimc():
    drivers.unload("vimc")
    return video_nodes()


def shapes(path, count=2, **options):
    with zcore.Capture(path, **options) as camera:
        found = []
        for frame in camera.frames(count):
            found.append(frame.array().shape)
        del frame
    return found


@pytest.mark.proves("media-controller:topology")
@pytest.mark.proves("MEDIA_IOC_DEVICE_INFO", "MEDIA_IOC_G_TOPOLOGY", "VIDIOC_SUBDEV_QUERYCAP")
def test_graph_of_vimc(fresh_vimc):
    vimc = fresh_vimc
    media = zcore.media_device_of(vimc[RAW])
    assert media.driver == "vimc"
    assert len(media.entities) == 11
    assert {entity.name for entity in media.by_function("sensor")} == {"Sensor A", "Sensor B", "RGB/YUV Input"}
    assert media.entity("Scaler").function == "scaler"
    assert all(entity.path for entity in media.entities)
    assert [str(link) for link in media.entity(RAW).pads[0].links] == [f"'Sensor A':0->'{RAW}':0[1]"]
    assert len(media.links) == 8
    with pytest.raises(KeyError, match="did you mean 'Scaler'"):
        media.entity("Scalar")


@pytest.mark.proves("dev-subdev:formats", "VIDIOC_SUBDEV_G_FRAME_INTERVAL")
@pytest.mark.proves("VIDIOC_SUBDEV_G_FMT", "VIDIOC_SUBDEV_S_FMT", "VIDIOC_SUBDEV_ENUM_MBUS_CODE")
@pytest.mark.proves("VIDIOC_SUBDEV_ENUM_FRAME_SIZE", "VIDIOC_SUBDEV_G_SELECTION", "VIDIOC_SUBDEV_S_SELECTION")
def test_pads(vimc):
    media = zcore.media_device_of(vimc[RGB])
    pad = media.pad("Sensor A", 0)
    assert "SRGGB8_1X8" in pad.codes()
    before = pad.format()
    tried = pad.try_format("SGBRG10_1X10", (320, 240))
    assert (tried.width, tried.height) == (320, 240)
    assert pad.format() == before
    with pad.subdev() as device:
        assert device.sizes(0, tried.code)[0][0] <= 320
        assert device.frame_interval(0) is None  # vimc has none
        assert device.routes() is None
    told = apply_formats(media, "'Scaler':0 [fmt:RGB888_1X24/640x480 crop:(10,20)/320x240]")
    assert "crop:(10,20)/320x240" in told[0]
    assert apply_formats(media, told[0]) == told


@pytest.mark.proves("MEDIA_IOC_SETUP_LINK", "media-controller:links")
def test_links(vimc):
    media = zcore.media_device_of(vimc[RGB])
    apply_links(media, "'Debayer A':1->'Scaler':0[0], 'Debayer B':1->'Scaler':0[1]")
    again = zcore.MediaDevice(media.path)
    enabled = [link.source.entity.name for link in again.pad("Scaler", 0).links if link.enabled]
    assert enabled == ["Debayer B"]
    with pytest.raises(zcore.DeviceError, match=r"'Sensor A':0->'Debayer A':0.*immutable"):
        apply_links(media, "'Sensor A':0->'Debayer A':0[0]")
    with zcore.Capture(vimc[RGB], media={"source": "Sensor B"}, size=(320, 240)) as camera:
        next(camera.frames(1))
        with pytest.raises(zcore.DeviceError, match=r"EBUSY.*'Debayer B':1->'Scaler':0.*streams"):
            again.set_link(again.link(again.pad("Debayer B", 1), again.pad("Scaler", 0)), False)


@pytest.mark.proves("dev-subdev:validation")
def test_stream_that_cannot_start_names_the_pads(fresh_vimc):
    vimc = fresh_vimc
    with pytest.raises(zcore.DeviceError, match=r"EPIPE.*'Sensor A':0 gives RGB888_1X24.*'Debayer A':0 takes SRGGB8"):
        shapes(vimc[RGB])
    with pytest.raises(zcore.DeviceError, match="'Debayer A':0 takes SRGGB8"):
        zcore.Chain(zcore.Capture(vimc[RGB]), zcore.FakeSink()).run(frames=1)
    zcore.configure_camera(vimc[RGB], (320, 240))
    media = zcore.media_device_of(vimc[RGB])
    assert validate(media, RGB) == []
    apply_formats(media, "'Scaler':1 [fmt:RGB888_1X24/200x100]")
    assert [str(one) for one in validate(media, RGB)] == [
        f"'Scaler':1 gives RGB888_1X24/200x100, but '{RGB}':0 takes RGB3/320x240"
    ]


@pytest.mark.proves("dev-subdev:formats")
def test_each_node_with_one_call(vimc):
    assert shapes(vimc[RAW], media="SRGGB8_1X8/320x240") == [(240, 320)] * 2
    assert shapes(vimc["Raw Capture 1"], media=True, size=(160, 120)) == [(120, 160)] * 2
    assert shapes(vimc[RGB], media=True, size=(320, 240)) == [(240, 320, 3)] * 2
    scaled = {"source": "Sensor B", "sensor_size": (640, 480), "code": "SGRBG8_1X8"}
    assert shapes(vimc[RGB], media=scaled, size=(160, 120)) == [(120, 160, 3)] * 2


def test_what_does_not_go_all_the_way_says_where(vimc):
    with pytest.raises(zcore.NegotiationError, match="'Debayer A':0 takes"):
        zcore.configure_camera(vimc[RAW], (320, 240), format="RGB3")  # the debayer beside it takes no RGB
    with pytest.raises(zcore.ChainError, match="its ways begin at"):
        zcore.configure_camera(vimc[RGB], source="Lens A")
    with pytest.raises(zcore.NegotiationError, match="160x120"):
        zcore.configure_camera(vimc[RAW], (160, 120), code="SRGGB8_1X8", sensor_size=(320, 240))  # nothing scales


def test_camera_of_vimc_on_a_display(vimc, vkms, vim2m):
    camera = zcore.Capture(vimc[RGB], size=(640, 480), media={"source": "Sensor B"})
    chain = zcore.Chain(camera, zcore.Convert(vim2m, "RGBP"), zcore.Display("vkms", mode=(640, 480)))
    report = chain.run(frames=3, require_zero_copy=True)
    assert [link.memory for link in report.links] == ["dmabuf", "dmabuf"]
    assert report.frames == 3


def test_command(vimc, capsys):
    path = zcore.media_device_of(vimc[RGB]).path
    zcore.configure_camera(vimc[RGB], (320, 240), source="Sensor A")
    assert cli.main(["media", vimc[RGB], "--camera", "320x240", "--source", "Sensor B"]) == 0
    assert "'Debayer B':1->'Scaler':0[1]" in capsys.readouterr().out
    assert cli.main(["media", path, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told[0]["entities"][0]["name"] == "Sensor A"
    link = "'Debayer B':1->'Scaler':0[0]"
    assert cli.main(["media", path, "'Scaler':0 [fmt:RGB888_1X24/64x64]", "--links", link]) == 0
    assert "'Scaler':0 [fmt:RGB888_1X24/64x64" in capsys.readouterr().out
    assert cli.main(["media", path, "--dot"]) == 0
    assert "style=dashed" in capsys.readouterr().out
    assert cli.main(["media", path, "'Scaler':0 [fmt:RGB88_1X24/64x64]"]) == 2


@pytest.mark.proves("media-controller:topology")
@pytest.mark.parametrize("driver", ["vivid", "vicodec", "visl", "vim2m"])
def test_nodes_that_belong_together(driver):
    options = {"n_devs": 2, "node_types": 0x101} if driver == "vivid" else {}
    with getattr(drivers, driver, lambda **options: drivers.loaded(driver, **options))(**options) as nodes:
        found = {node.path: zcore.media_device_of(node.path) for node in nodes}
    assert found
    for path, media in found.items():
        assert media.entity(path).path is not None
        assert media.driver == driver
    if driver == "vivid":  # both devices have one parent in sysfs, and a graph each
        assert len({media.path for media in found.values()}) == 2


def test_driver_without_a_graph_is_told(vkms):
    with pytest.raises(zcore.DeviceNotFoundError, match="no media graph"):
        zcore.media_device_of(vkms)
    with pytest.raises(zcore.DeviceNotFoundError, match="no such device node"):
        zcore.media_device_of("/dev/video99")
    with pytest.raises(zcore.DeviceError, match="not a media device"):
        zcore.MediaDevice(vkms)

"""Which elements there are, how they become stages, and what the present devices grant."""

import inspect
import logging

import pytest

from fakekernel import FakeCamera, FakeCard, FakeDecoder, FakeEncoder, FakeM2m
from fakekernel.v4l2_output import FakeOutput
from zcore import devices
from zcore.caps import Caps
from zcore.pipeline import LaunchError, Registry, codec_elements, codecs, draw, launch, mux_elements, parse, present
from zcore.stages.capture import Capture
from zcore.stages.codec import Decode
from zcore.stages.convert import Convert
from zcore.stages.display import Display
from zcore.stages.encode import Encode

# Defaults of elements are GStreamer's. These stages have none, or write "unset" otherwise.
UNSET = {
    ("capsfilter", "caps"), ("filesrc", "location"), ("filesink", "location"), ("v4l2src", "device"),
    ("v4l2sink", "device"), ("kmssink", "connector-id"), ("kmssink", "plane-id"), ("kmssink", "fd"),
    ("kmssink", "force-modesetting"), ("kmssink", "sync"), ("appsink", "sync"), ("videotestsrc", "is-live"),
}  # fmt: skip
# Properties that `Factory.arguments` turns into others.
TURNED = {
    "norm",
    "crop-left",
    "crop-top",
    "crop-right",
    "crop-bottom",
    "crop-width",
    "crop-height",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "leaky-type",
}


@pytest.fixture
def machine(fake_kernel, monkeypatch):
    """A camera, an output, a converter, two encoders, a decoder, and a display."""
    FakeCamera(fake_kernel, "/dev/video0")
    FakeM2m(fake_kernel, "/dev/video1").formats = [(0x56595559, 0, b"YUYV"), (0x50424752, 0, b"RGBP")]
    FakeEncoder(fake_kernel, "/dev/video2")
    FakeDecoder(fake_kernel, "/dev/video3")
    FakeEncoder(fake_kernel, "/dev/video4")
    FakeOutput(fake_kernel, "/dev/video5")
    FakeM2m(fake_kernel, "/dev/video6").formats = [(0x56595559, 0, b"YUYV")]
    FakeCard(fake_kernel)
    monkeypatch.setattr(devices, "video_paths", lambda: [f"/dev/video{number}" for number in range(8)])
    monkeypatch.setattr(devices, "card_paths", lambda: ["/dev/dri/card0"])
    return fake_kernel


def stage(text, name):
    return launch(text)[name]


def refused(text):
    with pytest.raises(LaunchError) as caught:
        launch(text)
    return caught.value


# Declarations


# Those whose values are turned into FFmpeg's words have tests of their own, in test_launch_files.py.
IN_OTHER_WORDS = {one.name for one in (*codec_elements.FACTORIES, *mux_elements.FACTORIES)}


@pytest.mark.parametrize("name", [one.name for one in Registry().all() if one.name not in IN_OTHER_WORDS])
def test_stages_take_what_elements_declare(name):
    factory = Registry().find(name)
    taken = inspect.signature(factory.stage_class()).parameters
    options = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())
    for key, declared in factory.properties.items():
        if key == "name" or not declared.passed or key in TURNED & set(factory.properties):
            continue
        assert options or declared.keyword in taken, f"{name} {key}"
        if declared.keyword in taken and (name, key) not in UNSET:
            assert taken[declared.keyword].default == declared.default, f"{name} {key}"


@pytest.mark.parametrize("name", [one.name for one in Registry().all()])
def test_declarations_are_complete(name):
    factory = Registry().find(name)
    assert factory.long_name
    assert factory.klass
    assert factory.description
    for pad in factory.pads:
        Caps.parse(pad.caps)
    for declared in factory.properties.values():
        assert declared.meaning
        assert not (declared.without_effect and declared.only_default), declared.name
        if declared.default is not None and declared.writable and declared.name != "caps":
            assert declared.type.parse(declared.type.show(declared.default)) == declared.default, declared.name


# From values to stages


def test_capture_gets_its_properties():
    text = "v4l2src name=c device=/dev/video7 io-mode=4 num-buffers=9 do-timestamp=yes extra-controls=c,gain=3 hue=2"
    camera = stage(f"{text} ! fakesink", "c")
    assert isinstance(camera, Capture)
    assert (camera.device, camera.io_mode, camera.limit) == ("/dev/video7", "dmabuf", 9)
    assert camera.extra_controls == {"hue": 2, "gain": 3}


def test_capture_has_gstreamer_s_default_device():
    assert stage("v4l2src ! fakesink", "v4l2src0").device == "/dev/video0"


def test_display_gets_its_properties():
    text = "kmssink name=d driver-name=vkms connector-id=31 plane-id=-1 fd=-1 can-scale=no sync=false"
    display = stage(f"videotestsrc ! {text} render-rectangle=<1,2,3,4> plane-properties=s,rotation=4", "d")
    assert isinstance(display, Display)
    assert not display.sync
    assert stage("videotestsrc ! kmssink", "kmssink0").sync


def test_converter_gets_its_properties():
    converter = stage("v4l2src ! v4l2convert name=x device=/dev/video1 output-io-mode=dmabuf-import ! fakesink", "x")
    assert isinstance(converter, Convert)
    assert converter.device == "/dev/video1"
    assert converter.io_modes == ("dmabuf-import", "auto")


def test_queue_gets_its_properties():
    queue = stage("fakesrc ! queue max_size_buffers=3 max-size-time=0 leaky=downstream ! fakesink", "queue0")
    assert (queue.max_size_buffers, queue.max_size_bytes, queue.max_size_time) == (3, 10 * 1024 * 1024, 0)
    assert queue.leaky == "downstream"


def test_last_value_of_a_property_holds():
    assert stage("fakesrc num-buffers=1 num-buffers=2 ! fakesink", "fakesrc0").limit == 2


def test_appsink_drops_by_either_property():
    assert stage("fakesrc ! appsink leaky-type=downstream", "appsink0").drop
    assert stage("fakesrc ! appsink drop=true", "appsink0").drop
    assert not stage("fakesrc ! appsink", "appsink0").drop


@pytest.mark.parametrize("text", ["file:///tmp/a%20b ! fakesink", "filesrc location='/tmp/a b' ! fakesink"])
def test_address_of_a_file(text):
    assert stage(text, "filesrc0").device == "/tmp/a b"


def test_address_of_a_camera():
    assert stage("v4l2:///dev/video3 ! fakesink", "v4l2src0").device == "/dev/video3"


def test_property_without_effect_is_logged(caplog):
    caplog.set_level(logging.INFO, "zcore.pipeline")
    launch("fakesrc ! fakesink async=false qos=false")
    assert [record.message for record in caplog.records] == [
        "fakesink async=false has no effect: a chain has no preroll: it starts when all of its stages are ready"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kmsink", "no element 'kmsink'; did you mean 'kmssink'?"),
        ("QUEUE", "no element 'QUEUE'; did you mean 'queue'?"),
        ("frobnicator", "no element 'frobnicator'; there are appsink, appsrc, av1parse, avdec_h264"),
        ("autovideosink", "zcore has kmssink in its place"),
        ("openh264enc", "zcore has v4l2h264enc, or x264enc on the CPU, in its place"),
        ("ANY ! fakesink", "for these caps write 'capsfilter caps=ANY'"),
        ("queue max-size-bufers=1", "queue has no property 'max-size-bufers'; did you mean 'max-size-buffers'?"),
        ("queue a::b=1", "'a::b' would set a property of an element within queue, which has none"),
        ("queue current-level-bytes=1", "queue current-level-bytes='1': it can only be read"),
        ("fakesink ts-offset=x", "fakesink ts-offset='x': it takes a whole number from"),
        ("v4l2sink ts-offset=1", "only 0 can be had: frames are not held back or moved in time"),
        ("queue leaky=downstraem", "did you mean 'downstream'?"),
        ("queue leaky=downstream)", "a blank must stand before ')'"),
        ("filesink", "filesink needs location=...: the name of the file to write"),
        ("capsfilter caps=video/x-raw,width=[5 ! fakesink", "capsfilter caps='video/x-raw,width=[5'"),
        ("videoscale method=hermite ! fakesink", "it takes one of nearest-neighbour (0)"),
    ],
)
def test_error_of_a_name_or_value(text, message):
    assert message in str(refused(f"videotestsrc ! {text}"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('fakesrc ! capsfilter caps="video/x-raw, width=[ 5 " ! fakesink', ""),
        ("fakesrc ! video/x-raw,width=[5 ! fakesink", ""),
        ("fakesrc num-buffers=(string)5 ! fakesink", "(string)"),
        ("fakesrc ! queue leaky=nope ! fakesink", "nope"),
        ("fakesrc ! queue frob=1 ! fakesink", "frob"),
    ],
)
def test_place_of_a_wrong_value(text, part):
    error = refused(text)
    if part:
        assert error.text[error.position : error.end] == part
    else:
        assert text.index("[") <= error.position <= text.index(" ! fakesink")


# Devices


def test_elements_of_this_machine(machine):
    found = Registry().machine
    assert {name: one.device for name, one in found.items()} == {
        "v4l2fwhtenc": "/dev/video2",
        "v4l2fwhtdec": "/dev/video3",
        "v4l2video4fwhtenc": "/dev/video4",
        "v4l2video6convert": "/dev/video6",
    }
    assert found["v4l2fwhtenc"].klass == "Codec/Encoder/Video/Hardware"


def test_codecs_become_stages(machine):
    chain = launch(
        "v4l2src ! v4l2fwhtenc output-io-mode=dmabuf name=one ! v4l2fwhtdec name=two ! v4l2video4fwhtenc name=three"
        " ! fakesink"
    )
    one, two, three = chain["one"], chain["two"], chain["three"]
    assert isinstance(one, Encode)
    assert isinstance(two, Decode)
    assert (one.device, two.device, three.device) == ("/dev/video2", "/dev/video3", "/dev/video4")
    assert one.io_modes == ("dmabuf", "auto")
    assert one.codec.name == "FWHT"


def test_further_converters_have_their_node_in_the_name(machine):
    assert launch("v4l2src ! v4l2video6convert name=c ! fakesink")["c"].device == "/dev/video6"
    assert launch("v4l2src ! v4l2video6convert name=c device=/dev/video1 ! fakesink")["c"].device == "/dev/video1"


def test_missing_codec_names_those_that_are_there(machine):
    error = str(refused("v4l2src ! v4l2h264enc ! fakesink"))
    assert "no element 'v4l2h264enc': this machine has no device for this codec" in error
    assert "v4l2fwhtdec, v4l2fwhtenc, v4l2video4fwhtenc" in error
    assert "the codecs of V4L2 are fwht, h263" in str(refused("v4l2src ! v4l2h246enc ! fakesink"))
    assert "'v4l2h264enc'" in str(refused("v4l2src ! v4l2h246enc ! fakesink"))
    assert "no such converter" in str(refused("v4l2src ! v4l2video9convert ! fakesink"))


def test_codec_on_a_device_that_is_named(machine):
    chain = launch("v4l2src ! v4l2h264enc name=e device=/dev/video9 ! v4l2jpegdec name=d device=/dev/video8 ! fakesink")
    assert (chain["e"].device, chain["e"].codec.name) == ("/dev/video9", "H264")
    assert (chain["d"].device, chain["d"].codec.name) == ("/dev/video8", "MJPEG")


def test_machine_without_devices():
    registry = Registry()
    assert isinstance(registry.machine, dict)
    assert codecs.on_any_device("v4l2h264enc").name == "v4l2h264enc"
    assert codecs.on_any_device("v4l2video3h264enc") is None
    assert codecs.on_any_device("v4l2convert") is None


def test_own_elements_look_at_no_device(fake_kernel, monkeypatch):
    monkeypatch.setattr(devices, "video_paths", lambda: pytest.fail("devices were listed"))
    draw(parse("v4l2src ! v4l2convert ! queue ! kmssink"))
    assert not fake_kernel.calls


def test_granted_caps_are_those_of_the_devices(machine):
    (camera,) = present.captures()
    assert (camera.pad, camera.device) == ("src", "/dev/video0")
    assert "video/x-raw, format=YUY2, width=640, height=480" in camera.caps
    assert "video/x-raw(memory:DMABuf), format=DMA_DRM, drm-format=YUYV, width=320, height=240" in camera.caps
    assert "image/jpeg, width=640, height=480" in camera.caps
    (output,) = present.outputs()
    assert (output.pad, output.device) == ("sink", "/dev/video5")
    assert {(one.device, one.pad) for one in present.converters()} == {
        ("/dev/video1", "sink"), ("/dev/video1", "src"), ("/dev/video6", "sink"), ("/dev/video6", "src"),
    }  # fmt: skip
    (display,) = present.displays()
    assert display.device == "/dev/dri/card0"
    assert "video/x-raw, format=BGRx" in display.caps
    for grant in (camera, output, display, *present.converters()):
        for text in grant.caps:
            Caps.parse(text)


def test_encoder_grants_its_codec_only(machine):
    grants = {one.pad: one.caps for one in Registry().machine["v4l2fwhtenc"].granted()}
    assert all(text.startswith("video/x-fwht") for text in grants["src"])
    assert grants["sink"]
    assert all(text.startswith("video/x-raw") for text in grants["sink"])

"""Traps with buffers and devices: too few, too many, used up, busy, gone; queues that never fill; screens."""

import errno

import pytest

import zcore
from fakekernel.drm import CRTC, PRIMARY
from traps_rig import chain_of, machine, planned, reasons, refused  # noqa: F401
from zcore.stages.flow import Queue, Tee

YUYV = {"formats": "YUYV"}


def look(**options):
    return zcore.Callback(lambda frame: None, name="look", **options)


# Counts


def test_driver_that_grants_two_of_seven(machine):
    """A display keeps two: with two in all nothing would be left to fill. The display's own buffers are more."""
    with planned(machine.camera(**YUYV, most=2), machine.display()) as plan:
        assert plan[0].allocator == "dumb:/dev/dri/card0"
        assert "too few buffers: v4l2:/dev/video0 granted 2 of 7, and the stages behind keep 2 at once" in reasons(
            plan[0]
        )


def test_driver_that_grants_two_and_imports_nothing(machine):
    """Its two buffers are enough where frames are copied at once."""
    stages = machine.camera(**YUYV, most=2, memories="mmap", auto=30), machine.display()
    refused(
        *stages, error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera -> display would copy", "too few buffers: v4l2:/dev/video0 granted 2 of 7, .* keep 2 at once"],
    )  # fmt: skip
    report = chain_of(*stages).run(frames=6)
    assert (report.frames, report.links[0].copied_frames) == (6, 6)
    assert "too few buffers" in report.links[0].reason


@pytest.mark.proves("T7")
def test_driver_that_grants_one(machine):
    """A camera with a single buffer cannot stream while somebody looks at it."""
    refused(
        machine.camera(**YUYV, most=1, memories="mmap"), machine.display(),
        says=["camera", "granted 1 buffers, 2 are needed"],
    )  # fmt: skip


def test_driver_that_grants_more_than_asked(machine):
    """It makes 16 where 7 were asked for; all of them are shown from."""
    with planned(machine.camera(**YUYV, least=16), machine.display()) as plan:
        assert plan[0].buffers == 16
        assert "16 buffers (camera 2, display 2, on the way 3)" in str(plan)
        (client,) = machine.card.clients.values()
        assert len(client.framebuffers) == 16


def test_driver_that_grants_absurdly_many(machine):
    """More than anybody could number."""
    camera = machine.camera(**YUYV, least=100, most=100)
    refused(camera, machine.display(), says=["camera", "the driver granted 100 buffers"], require_zero_copy=True)


@pytest.mark.proves("T7")
@pytest.mark.parametrize(("minimum", "kept"), [(1, 2), (6, 6), (20, 20)])
def test_minimum_of_the_driver(machine, minimum, kept):
    """V4L2_CID_MIN_BUFFERS_FOR_CAPTURE counts, where it is more than what a camera keeps anyway."""
    with planned(machine.camera(**YUYV, minimum=minimum), machine.display()) as plan:
        assert dict(plan[0].keeps)["camera"] == kept
        assert plan[0].buffers == kept + 5


def test_minimum_of_the_importer(machine):
    """A converter that needs five frames at once says so on its OUTPUT queue."""
    with planned(machine.camera(**YUYV), machine.converter(taking={"minimum": 5}), machine.display()) as plan:
        assert dict(plan[0].keeps) == {"camera": 2, "converter": 5, "on the way": 3}


def test_minimum_that_is_more_than_v4l2_has(machine):
    """30 for the camera and 30 for the converter: more than 32 buffers there are not."""
    refused(
        machine.camera(**YUYV, minimum=30), machine.converter(taking={"minimum": 40}), machine.display(),
        says=["camera -> converter", "too few buffers|32"], require_zero_copy=True,
    )  # fmt: skip


@pytest.mark.proves("T24")
def test_function_that_keeps_many(machine):
    """Twelve frames held in Python, and a driver that has eight."""
    stages = machine.camera(**YUYV, most=8, memories="mmap"), look(holds=12)
    refused(
        *stages, error=zcore.ZeroCopyError, require_zero_copy=True,
        says=["camera -> look", "too few buffers: v4l2:/dev/video0 granted 8 of 17", "keep 12 at once"],
    )  # fmt: skip
    with planned(*stages) as plan:
        assert (plan[0].memory, plan[0].zero_copy) == ("mmap", False)


def test_buffers_that_the_user_wrote(machine):
    """buffers=2 and a display that keeps one or two: slow, but it is what was asked for."""
    chain = chain_of(machine.camera(**YUYV, memories="mmap", stage={"buffers": 2}, auto=60), machine.display())
    with chain:
        assert chain.plan()[0].buffers == 2
        assert chain.run(frames=20).frames == 20


# Queues


def test_queue_that_is_longer_than_the_driver_has(machine):
    """It may hold 30, the driver has six: it gets what is left, and the chain goes on."""
    queue = Queue(max_size_buffers=30, name="queue")
    camera = machine.camera(**YUYV, most=6, memories="mmap", auto=60)
    chain = chain_of(camera, queue, machine.display())
    with chain:
        plan = chain.plan()
        assert plan[0].buffers == 6
        assert dict(plan[0].keeps)["queue"] <= 27
        assert chain.run(frames=20).frames == 20


def test_leaky_queue_that_is_longer_than_the_driver_has(machine):
    """It can only leak when it is full, so it may not hold all buffers that there are."""
    queue = Queue(max_size_buffers=30, leaky="downstream", name="queue")
    with planned(machine.camera(**YUYV, most=8, memories="mmap"), queue, machine.display()) as plan:
        assert dict(plan[0].keeps) == {"camera": 2, "display": 2, "on the way": 3, "queue": 1}
        assert queue.share == 1


def test_queue_that_waits_for_more_than_there_is(machine):
    """It gives nothing before it holds ten frames, and there are six buffers: nothing would ever come."""
    queue = Queue(max_size_buffers=30, min_threshold_buffers=10, name="queue")
    camera = machine.camera(**YUYV, most=6, memories="mmap")
    refused(
        camera, queue, machine.display(), require_zero_copy=True,
        says=["too few buffers: queue gives nothing before 10 frames wait in it, and of 6 buffers it can have 1"],
    )  # fmt: skip


def test_queue_that_waits_for_more_than_the_driver_has(machine):
    """The driver has six, the display makes as many as are needed."""
    queue = Queue(max_size_buffers=12, min_threshold_buffers=10, name="queue")
    with planned(machine.camera(**YUYV, most=6), queue, machine.display()) as plan:
        assert plan[0].allocator == "dumb:/dev/dri/card0"
        assert queue.share == 12
        assert "of 6 buffers it can have 1" in reasons(plan[0])


def test_queue_that_waits_for_more_than_it_holds(machine):
    """min-threshold-buffers is more than max-size-buffers: it gives when it is full."""
    queue = Queue(max_size_buffers=5, min_threshold_buffers=10, name="queue")
    assert chain_of(machine.camera(**YUYV, auto=60), queue, machine.display()).run(frames=20).frames == 20


def test_queues_on_both_branches(machine):
    """Two unlimited queues share what is left of 32."""
    tee, one, two = Tee(name="tee"), Queue(0, 0, 0, name="one"), Queue(0, 0, 0, name="two")
    camera, display = machine.camera(**YUYV), machine.display()
    with planned((camera, tee), (tee, one), (one, display), (tee, two), (two, look())) as plan:
        keeps = dict(plan[0].keeps)
        assert sum(keeps.values()) <= 32
        assert abs(keeps["one"] - keeps["two"]) <= 1
        assert plan[0].buffers == sum(keeps.values())


# Memory that is used up


@pytest.mark.proves("T47")
def test_contiguous_memory_that_is_used_up(machine):
    """REQBUFS says ENOMEM; the display still has memory of its own."""
    camera = machine.camera(**YUYV)
    machine.kernel.fail("VIDIOC_REQBUFS", errno.ENOMEM, times=1, after=3)  # after the probes of memory types
    with planned(camera, machine.display()) as plan:
        assert plan.zero_copy
        assert plan[0].allocator == "dumb:/dev/dri/card0"
        assert "camera: VIDIOC_REQBUFS: [ENOMEM]" in reasons(plan[0])
        assert "CmaFree" in reasons(plan[0])


def test_dumb_buffers_that_are_used_up(machine):
    """The camera exports nothing, and the display has no memory left."""
    machine.kernel.fail("DRM_IOCTL_MODE_CREATE_DUMB", errno.ENOMEM, times=99)
    refused(
        machine.camera(**YUYV, exports=False), machine.display(),
        says=["camera -> display", "DRM_IOCTL_MODE_CREATE_DUMB: .ENOMEM."],
    )  # fmt: skip


@pytest.mark.proves("T47")
def test_heap_that_is_used_up(machine):
    """Of two heaps the first has nothing left."""
    machine.heap("linux,cma", contiguous=True)
    machine.heap("system")
    machine.kernel.fail("DMA_HEAP_IOCTL_ALLOC", errno.ENOMEM, times=1, after=2)
    camera = machine.camera(**YUYV, exports=False)
    with planned(camera, machine.converter(taking={"exports": False}), machine.display()) as plan:
        assert plan[0].allocator == "dma-heap:system"
        assert "dma-heap:linux,cma: /dev/dma_heap/linux,cma: DMA_HEAP_IOCTL_ALLOC: [ENOMEM]" in reasons(plan[0])


# Devices that are busy, or gone


@pytest.mark.proves("T9", "vidioc-g-fmt:busy")
def test_device_that_somebody_else_streams_from(machine):
    """S_FMT is EBUSY: no other format would help, and the first answer is told."""
    camera = machine.camera(formats="YUYV XR24 RGBP NV12")
    machine.kernel.fail("VIDIOC_S_FMT", errno.EBUSY, times=99)
    text = refused(camera, machine.display(), error=zcore.DeviceBusyError, says=["/dev/video0: VIDIOC_S_FMT: .EBUSY."])
    assert "close the other program" in text
    assert machine.kernel.count("VIDIOC_S_FMT") == 1


def test_buffers_that_somebody_else_owns(machine):
    """REQBUFS is EBUSY: another open file owns the queue."""
    camera = machine.camera(**YUYV)
    machine.kernel.fail("VIDIOC_REQBUFS", errno.EBUSY, times=99, after=3)
    refused(camera, machine.display(), error=zcore.DeviceBusyError, says=["camera: VIDIOC_REQBUFS: .EBUSY."])


def test_device_that_is_unplugged_while_it_is_planned(machine):
    """It goes with the first buffer."""
    camera, display = machine.camera(**YUYV), machine.display()
    reqbufs = machine.fake.capture.reqbufs

    def unplug(file, argument):
        if argument.count:
            machine.fake.unplug()
        reqbufs(file, argument)

    machine.fake.capture.reqbufs = unplug
    refused(camera, display, error=zcore.DeviceGoneError, says=["camera"])
    machine.fake.capture.free_all()  # with the device its buffers are gone, too


@pytest.mark.proves("T75")
def test_display_that_belongs_to_a_compositor(machine):
    """This process is not the DRM master."""
    display = machine.display()
    machine.card.master = object()
    refused(
        machine.camera(**YUYV), display, error=zcore.DevicePermissionError,
        says=["/dev/dri/card0: DRM_IOCTL_SET_MASTER", "a compositor or another program owns the display", "lease"],
    )  # fmt: skip


@pytest.mark.proves("T75")
def test_display_with_nothing_connected(machine):
    """No monitor: nothing about formats is said."""
    display = machine.display()
    machine.card.drm_ioctl_mode_getresources = lambda file, res: (
        machine.card.counted(res, "count_crtcs", "crtcs", [CRTC]),
        machine.card.counted(res, "count_connectors", "connectors", [51]),
    )[0]
    refused(machine.camera(**YUYV), display, error=zcore.ChainError, says=["nothing is connected to /dev/dri/card0"])


# Screens


def placed(machine):
    """Source and target of the primary plane, as the modeset had them."""
    plane = next(settings[PRIMARY] for _, settings in machine.card.commits if PRIMARY in settings)
    values = {machine.card.properties[PRIMARY][id][0]: value for id, value in plane.items()}
    return tuple(values[name] >> 16 for name in ("SRC_W", "SRC_H")), tuple(values[n] for n in ("CRTC_W", "CRTC_H"))


@pytest.mark.parametrize(("scales", "target"), [(True, (64, 16)), (False, (32, 8))])
def test_plane_without_a_scaler(machine, scales, target):
    """TEST_ONLY tells that the plane does not scale: the picture goes into the middle at its own size."""
    camera = machine.camera(size=(32, 8), **YUYV, grants_size=lambda *size: size, width=32, height=8, auto=20)
    chain_of(camera, machine.display(scales=scales)).run(frames=3)
    assert placed(machine) == ((32, 8), target)


def test_picture_that_is_larger_than_the_screen(machine):
    """Without a scaler its middle is shown."""
    camera = machine.camera(size=(128, 32), **YUYV, auto=20)
    chain_of(camera, machine.display(scales=False)).run(frames=3)
    assert placed(machine) == ((64, 16), (64, 16))


def test_size_for_which_there_is_no_mode(machine):
    """force_modesetting asks for a mode of the frames' size."""
    camera = machine.camera(size=(128, 32), **YUYV)
    refused(
        camera, machine.display(stage={"force_modesetting": True}), require_zero_copy=True,
        says=["HDMI-A-1 of /dev/dri/card0 has no mode of 128x32", "it has 64x16"],
    )  # fmt: skip


def test_display_that_refuses_the_modeset(machine):
    """The modeset is EINVAL on every plane: the call and the display are named; what was on the screen comes back."""
    machine.kernel.fail("DRM_IOCTL_MODE_ATOMIC", errno.EINVAL, times=2)
    with pytest.raises(zcore.DeviceError, match=r"DRM_IOCTL_MODE_ATOMIC: \[EINVAL\]") as caught:
        chain_of(machine.camera(**YUYV, auto=20), machine.display()).run(frames=3)
    assert "another plane, or another format" in str(caught.value)
    caught.value.__traceback__ = None


# Fields


@pytest.mark.proves("field-order:interlaced")
@pytest.mark.parametrize(("field", "words"), [(5, "top field above the bottom"), (6, "bottom field above the top")])
def test_two_fields_in_one_buffer(machine, field, words):
    """SEQ_TB and SEQ_BT hold two half pictures, one below the other: no display or converter knows that."""
    refused(
        machine.camera(**YUYV, field=field), machine.display(),
        says=["camera gives interlaced frames", words, "display would take", "progressive"],
    )  # fmt: skip
    with planned(machine.camera(**YUYV, field=field), look()) as plan:
        assert plan.zero_copy


@pytest.mark.parametrize("field", [0, 1, 4, 8], ids=["any", "none", "interlaced", "interlaced-tb"])
def test_field_orders_of_whole_pictures(machine, field):
    """A driver that says ANY, which is no answer, is believed to mean whole pictures."""
    with planned(machine.camera(**YUYV, field=field), machine.display()) as plan:
        assert plan.zero_copy

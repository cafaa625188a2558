"""Events of a device: changes of controls, and several readers of one descriptor that do not rob one another."""

import gc
import threading
import time

import numpy as np
import pytest

import zcore
from fakekernel import ControlCamera
from zcore._v4l2_codec import forget_events, subscribe_source_change
from zcore._v4l2_device import V4l2Device
from zcore._v4l2_events import hub_of, loop_bell
from zcore.controls import Controls, EventWatch

EOS, FRAME_SYNC, SOURCE_CHANGE, MOTION_DET = 2, 4, 5, 6


@pytest.fixture
def fake(fake_kernel):
    return ControlCamera(fake_kernel)


@pytest.fixture
def controls(fake):
    with V4l2Device("/dev/video0") as device:
        yield Controls(device, "camera")


def change(fake, name, value):
    with fake.kernel.lock:
        fake.store(fake.id_of(name), fake.item(name), value)


@pytest.mark.proves("VIDIOC_SUBSCRIBE_EVENT", "VIDIOC_DQEVENT", "VIDIOC_UNSUBSCRIBE_EVENT", "vidioc-dqevent:control")
def test_changes_come_in_their_order(fake_kernel, fake, controls):
    with controls.watch("brightness", "pixel_rate", "matrix") as watch:
        assert watch.next() is None
        change(fake, "Brightness", 9)
        change(fake, "Pixel Rate", -5)
        change(fake, "Matrix", np.full((2, 3), 44, "u2").tobytes())
        change(fake, "Mirror", 1)  # of no interest
        first, second, third = watch.next(), watch.next(), watch.next(1)
        assert (first.name, first.value, first.what, first.maximum) == ("brightness", 9, {"value"}, 255)
        assert (second.name, second.value) == ("pixel_rate", -5)
        assert (third.name, third.value.tolist()) == ("matrix", [[44] * 3] * 2)
        assert [c.sequence for c in (first, second, third)] == [0, 1, 2]
        assert watch.next() is None
    assert fake_kernel.count("VIDIOC_UNSUBSCRIBE_EVENT") == 3
    assert watch.closed
    assert list(watch) == []


def test_our_own_changes_and_the_first_value(fake, controls):
    controls.power_line_frequency = "auto"
    with controls.watch("power_line_frequency", initial=True, timeout=0.01) as watch:
        assert [str(c.value.text) for c in watch] == ["Auto"]
        controls.power_line_frequency = 0
        assert [c.value for c in watch] == [0]
        with controls.watch("power_line_frequency", initial=True) as another:
            assert another.next(1).value == 0


@pytest.mark.proves("T27", "vidioc-dqevent:overflow")
def test_what_the_kernel_merged_is_counted(fake, controls):
    with controls.watch("brightness", "mirror") as watch:
        for value in (1, 2, 3, 4):
            change(fake, "Brightness", value)
        change(fake, "Mirror", 1)
        found = watch.next(), watch.next()
    assert [(c.value, c.missed) for c in found] == [(4, 0), (True, 0)]  # the first has nothing before it to count from
    with controls.watch("brightness", "mirror") as watch:
        change(fake, "Mirror", 0)
        assert watch.next().missed == 0
        for value in (5, 6, 7):
            change(fake, "Brightness", value)
        assert watch.next().missed == 2


@pytest.mark.proves("T27")
def test_a_reader_that_is_too_slow_is_told(fake, controls):
    with controls.watch("brightness") as slow, controls.watch("brightness") as quick:
        for value in range(300):
            change(fake, "Brightness", value % 200)
            assert quick.next(1).value == value % 200
        first = slow.next()
        assert first.missed == 300 - 256
        assert first.value == 44


def test_each_reader_has_its_own(fake, controls):
    """One thread dequeues for all of them."""
    found = {}

    def read(name, watch):
        found[name] = [c.value for c in watch][:2]

    watches = {name: controls.watch(name, timeout=0.3) for name in ("brightness", "mirror", "focus")}
    threads = [threading.Thread(target=read, args=item) for item in watches.items()]
    for thread in threads:
        thread.start()
    for name, value in (("Brightness", 3), ("Mirror", 1), ("Focus", 5)):
        change(fake, name, value)
    for thread in threads:
        thread.join()
    assert found == {"brightness": [3], "mirror": [True], "focus": [5]}
    for watch in watches.values():
        watch.close()


def test_callbacks(fake, controls, monkeypatch):
    told, failures = [], []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    came = threading.Semaphore(0)

    def callback(change):
        told.append(change.value)
        came.release()
        if change.value == 1:
            raise RuntimeError("a mistake of the callback")

    with controls.on_change(callback, "brightness"):
        for value in (1, 2):
            change(fake, "Brightness", value)
            assert came.acquire(timeout=10)
    change(fake, "Brightness", 3)
    assert told == [1, 2]
    assert str(failures[0].exc_value) == "a mistake of the callback"
    del failures[:]


def test_other_events_are_decoded(fake, controls):
    device = controls.device
    with EventWatch(device, ("eos", "frame_sync", "motion_det", "source_change"), 0.01) as watch:
        fake.happen(EOS)
        fake.happen(FRAME_SYNC, 12)
        fake.happen(MOTION_DET, 1, 13, 0b101)
        fake.happen(SOURCE_CHANGE, 1)
        found = list(watch)
    assert [event.type for event in found] == ["eos", "frame_sync", "motion_det", "source_change"]
    assert found[1].frame_sequence == 12
    assert (found[2].frame_sequence, found[2].region_mask) == (13, 5)
    assert found[3].resolution
    assert found[3].timestamp_ns == 10**9 + 3
    with pytest.raises(zcore.UnsupportedError, match="has no event vsync"):
        EventWatch(device, ("vsync",))
    with pytest.raises(ValueError, match="no event 'eosx'; there are vsync"):
        EventWatch(device, ("eosx",))


def test_the_loops_event_is_not_lost_to_a_watch(fake, controls):
    """A thread that watches controls takes the source change out of the kernel's queue: the loop's bell rings."""
    device = controls.device
    subscribe_source_change(device)
    bell = loop_bell(device.fd.fileno())
    with controls.watch("brightness") as watch:
        fake.happen(SOURCE_CHANGE, 1)
        change(fake, "Brightness", 3)
        assert watch.next().value == 3
        assert not fake.pending[fake.files[0].identity]
        import select

        assert select.select([bell], [], [], 0)[0] == [bell]
        # and the other way round: who forgets old source changes leaves the controls alone
        change(fake, "Brightness", 4)
        forget_events(device)
        assert watch.next().value == 4


@pytest.mark.proves("VIDIOC_DQEVENT")
@pytest.mark.parametrize("thief", [False, True])
def test_a_chain_follows_a_new_resolution_while_controls_are_watched(fake, thief):
    """The chain is planned anew, whoever took the event; the thread that watches misses no change of a control."""
    fake.auto = 1000000
    camera = zcore.Capture("/dev/video0")
    values = []

    def act(frame):
        count.append(1)
        if len(count) == 4:
            change(fake, "Brightness", 77)
            fake.happen(SOURCE_CHANGE, 1)
            if thief:
                values.append(watch.next(5).value)
        elif len(count) == 30 and not thief:
            values.append(watch.next(5).value)

    count = []
    with camera, camera.controls.watch("brightness") as watch:
        report = zcore.Chain(camera, zcore.Callback(act)).run(frames=40)
    assert len(report.replanned) == 1
    assert values == [77]


def test_closing_ends_every_wait(fake, controls):
    results = []
    watches = [controls.watch("brightness") for _ in range(2)]
    threads = [threading.Thread(target=lambda w=watch: results.append(w.next(None))) for watch in watches]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    watches[0].close()
    threads[0].join(10)
    controls.device.close()
    threads[1].join(10)
    assert results == [None, None]
    assert watches[1].closed
    with pytest.raises(zcore.ChainError, match="is closed"):
        controls.watch("brightness")


def test_unplugging_is_told(fake, controls):
    with controls.watch("brightness") as watch:
        fake.unplug()
        with pytest.raises(zcore.DeviceGoneError, match="VIDIOC_DQEVENT"):
            watch.next(5)


def test_a_watch_that_is_dropped_is_closed(fake_kernel, fake, controls):
    controls.watch("brightness")
    gc.collect()
    assert fake_kernel.count("VIDIOC_UNSUBSCRIBE_EVENT") == 1


def test_nobody_listens(fake, controls):
    hub = hub_of(controls.device)
    assert hub.subscribe(3, fake.id_of("Brightness"), 2)
    controls.brightness = 5
    assert hub.collect(0) == (0, [], 0)
    assert not fake.pending[fake.files[0].identity]
    hub.unsubscribe(3, fake.id_of("Brightness"))

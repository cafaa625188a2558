"""Whatever dies first, whatever refers to whom, and however the process ends."""

import gc
import itertools
import weakref

import pytest

from fakekernel import FakeCard
from fakekernel.drm import CRTC, PRIMARY
from helpers import make_pool
from lifecycle_rig import CHILD, ENDINGS, FAKE, camera_parts, run_script, stalled_chain
from zcore._drm import Card
from zcore._gem import handle_count
from zcore._kms import Scanout
from zcore._pool import Pool


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["device", "pool", "queue", "frame", "view"])), ids=" ".join
)
def test_parents_may_go_first(fake_kernel, order):
    camera, parts = camera_parts(fake_kernel)
    memory = camera.capture.buffers[0].planes[0].memory
    for name in order:
        if "view" in parts:
            assert parts["view"].min() == parts["view"].max() == 0x2A
        del parts[name]
        gc.collect()
    assert memory.users == 0
    assert not camera.files[0].open  # the device itself is closed with its last user


@pytest.mark.parametrize("order", list(itertools.permutations(["device", "pool", "queue", "view"])), ids=" ".join)
def test_mapped_memory_goes_last(fake_kernel, order):
    """Memory that is mapped through the device: the map, and the device under it, live as long as the view."""
    _, parts = camera_parts(fake_kernel, export=False)
    del parts["frame"]
    for name in order:
        if "view" in parts:
            assert parts["view"].min() == 0x2A
        del parts[name]
        gc.collect()


@pytest.mark.parametrize("order", list(itertools.permutations(["card", "pool", "scanout", "frame"])), ids=" ".join)
def test_display_parts_may_go_in_any_order(fake_kernel, order):
    fake = FakeCard(fake_kernel, auto=True)
    fake.active = 1
    card = Card("/dev/dri/card0")
    pool, memories = make_pool(fake_kernel, 3)
    scanout = Scanout(card, "screen", CRTC, PRIMARY, fake.property_id(PRIMARY, "FB_ID"))
    frame = pool.acquire(0)
    scanout.show(frame)
    scanout.wait()
    parts = {"card": card, "pool": pool, "scanout": scanout, "frame": frame}
    del card, pool, scanout, frame
    for name in order:
        del parts[name]
        gc.collect()
    assert not any(memory.users for memory in memories)
    assert not any(client.handles or client.framebuffers for client in fake.clients.values())


def test_cycle_of_everything_is_collected(fake_kernel):
    class Stage:
        pass

    for _ in range(10):
        stage = Stage()
        camera, stage.parts = camera_parts(fake_kernel)
        stage.parts["pool"].close()
        stage.again = Pool(
            "again", "none", owner=stage, on_close=lambda stage=stage: stage, grow=lambda stage=stage: stage
        )
        stage.parts["self"] = stage.parts
        alive = weakref.ref(stage)
        del stage
        gc.collect()
        assert alive() is None
        assert not camera.files[0].open


def test_closing_twice_in_every_order(fake_kernel):
    for order in itertools.permutations(["queue", "pool", "device"]):
        _, parts = camera_parts(fake_kernel)
        for name in order + order:
            if name == "queue" and parts["device"].fd.closed and parts["queue"].state != "empty":
                continue  # nothing can be asked of a closed descriptor; see the next test
            parts[name].close()
        assert parts["view"].min() == 0x2A
        parts.clear()


def test_queue_closed_after_its_descriptor(fake_kernel):
    """The kernel freed the buffers with the descriptor: there is nobody to ask, and nothing to fail."""
    _, parts = camera_parts(fake_kernel)
    parts["device"].close()
    before = len(fake_kernel.calls)
    parts["queue"].close()
    assert parts["queue"].state == "empty"
    assert len(fake_kernel.calls) == before
    del parts["view"]
    parts["frame"].release()
    assert parts["pool"].stats["free"] == 3


def test_card_closed_before_its_scanout(fake_kernel):
    fake = FakeCard(fake_kernel, auto=True)
    fake.active = 1
    card = Card("/dev/dri/card0")
    pool, _ = make_pool(fake_kernel, 3)
    scanout = Scanout(card, "screen", CRTC, PRIMARY, fake.property_id(PRIMARY, "FB_ID"))
    scanout.show(pool.acquire(0))
    scanout.wait()
    client = next(iter(fake.clients.values()))
    card.close()
    client.handles.clear()  # the kernel did, with the file
    client.framebuffers.clear()
    fake.shown[PRIMARY] = 0
    scanout.release()
    assert (handle_count(card), pool.stats["free"]) == (0, 3)
    assert fake_kernel.count("DRM_IOCTL_GEM_CLOSE") == 0


@pytest.mark.parametrize("how", ["close", "drop"])
def test_output_queue_whose_pool_is_gone_gives_back_in_peace(fake_kernel, how):
    pool, link, output, memories = stalled_chain(fake_kernel, True)
    assert output.queued_count == 2
    link.flush()
    del pool, link
    gc.collect()
    assert any(memory.users for memory in memories)  # the queue keeps what it holds
    if how == "close":
        output.close()
        gc.collect()
    del output
    gc.collect()
    assert not any(memory.users for memory in memories)


@pytest.mark.parametrize("how", ["flush", "drop"])
def test_link_whose_pool_is_gone_gives_back_in_peace(fake_kernel, how):
    pool, link, _, memories = stalled_chain(fake_kernel, False)
    del pool
    gc.collect()
    if how == "flush":
        assert link.flush() == 2
    del link
    gc.collect()
    assert not any(memory.users for memory in memories)


def test_dropped_link_gives_its_frames_back(fake_kernel):
    pool, link, _, _ = stalled_chain(fake_kernel, False)
    assert pool.stats["free"] == 4
    del link
    gc.collect()
    assert pool.stats["free"] == 6


def test_stopped_queue_keeps_no_pool(fake_kernel):
    pool, link, output, memories = stalled_chain(fake_kernel, True)
    output.stop()
    link.flush()
    del pool, link
    gc.collect()
    assert not any(memory.users for memory in memories)


@pytest.mark.parametrize("body", ENDINGS.values(), ids=ENDINGS)
def test_interpreter_exit_prints_nothing(body):
    done = run_script(body)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "body",
    ["", "del device", "del queue", "del pool, queue", "camera.unplug()", "queue.stop()", "pool.close()",
     "stage = Stage(); stage.all = [stage, device, pool, queue, frame, view]"],
)  # fmt: skip
def test_interpreter_exit_with_a_stream_prints_nothing(body):
    done = run_script(body + "\natexit.register(_sys.install_fake_kernel, None)\n", FAKE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "child",
    ["pass", "del queue, device, pool, frame, view; gc.collect()", "queue.close(); device.close()",
     "frame = None; view = None; pool.close()", "del pool, view, frame, queue"],
)  # fmt: skip
def test_forked_child_leaves_the_stream_of_its_parent_alone(child):
    code = CHILD.format(child=child)
    done = run_script(code, FAKE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_forked_child_of_a_waiting_parent():
    done = run_script(
        """
        pool = make_pool(1)
        frame = pool.acquire(0)
        thread = threading.Thread(target=lambda: pool.acquire(30))
        thread.start()
        while not pool.holders(): pass
        child = os.fork()
        if child == 0:
            del frame
            pool.acquire(0).array(write=True)[...] = 1  # its own accounts; the memory is shared
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert pool.stats["free"] == 0
        del frame
        thread.join()
        assert pool.stats["free"] == 1
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

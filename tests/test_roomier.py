"""Coded frames that are larger than the buffers for them: larger buffers come, whoever made the small ones."""

import errno
import gc
import threading

import pytest

import zcore
from codec_rig import SIZE, CodedSource, Kept, decoder, stream
from zcore._alloc import allocate_memfd
from zcore._pool import Pool
from zcore._roomy import replace_buffer, retire, take_roomy
from zcore.stages.codec import Decode
from zcore.stages.roomier import filled, roomier

DECODER = "/dev/video2"
LARGE = (64, 64)
pytestmark = pytest.mark.proves("T85", "dev-decoder:enospc")

MODES = pytest.mark.parametrize("mode", ["mmap", "dmabuf", "userptr"])


def play(payloads, mode="mmap", room=2000, **options):
    kept = Kept()
    chain = zcore.Chain(CodedSource(payloads, room=room), Decode(DECODER, output_io_mode=mode, **options), kept.stage)
    return kept, chain.run(stall_timeout=10)


@MODES
@pytest.mark.parametrize("multiplanar", [False, True], ids=["single", "mplane"])
def test_larger_frames_get_larger_buffers(fake_kernel, mode, multiplanar):
    fake = decoder(fake_kernel, multiplanar=multiplanar)
    payloads, pictures, sizes = stream((3, SIZE), (12, LARGE), (3, SIZE))
    kept, report = play(payloads, mode)
    assert kept.payloads == pictures
    assert kept.sizes == sizes
    assert report.links[0].copied_frames == (18 if mode == "userptr" else 0)  # into addresses: that is how it is
    assert (fake_kernel.count("VIDIOC_CREATE_BUFS") > 0) == (mode != "userptr")
    assert not fake.output.buffers


def test_large_buffers_are_used_again(fake_kernel):
    """As many large ones as there were small ones, and no more; then the chain waits for one as it always did."""
    fake = decoder(fake_kernel)
    made = []
    add = fake.output.add_buffer

    def count(index, sizes):
        made.append(sizes[0])
        add(index, sizes)

    fake.output.add_buffer = count
    payloads, pictures, _ = stream((2, SIZE), (60, LARGE))
    kept, report = play(payloads)
    assert kept.payloads == pictures
    small, large = (sum(size < 6164 for size in made[-report.links[0].buffers :]), sum(size >= 6164 for size in made))
    assert 1 <= large <= small
    assert large == fake_kernel.count("VIDIOC_CREATE_BUFS") / 2  # each asks first how many there may be


def test_growing_again_and_again(fake_kernel):
    """Each time at least twice as much: the driver's 32 buffers last for any stream."""
    decoder(fake_kernel)
    parts = [(4, (64, height)) for height in range(16, 400, 48)]
    payloads, pictures, _ = stream(*parts)
    kept, report = play(payloads, room=1600)
    assert kept.payloads == pictures
    assert report.links[0].buffers <= 32


@pytest.mark.parametrize("what", ["no call", "too many", "small", "no memory"])
def test_driver_that_makes_no_larger_ones(fake_kernel, what):
    fake = decoder(fake_kernel)
    payloads, _, _ = stream((3, SIZE), (3, LARGE))
    add = fake.output.add_buffer
    if what == "no call":
        fake.output.creates = False
    elif what == "too many":
        fake.output.most = 4
    elif what == "small":
        fake.output.add_buffer = lambda index, sizes: add(index, fake.output.sizes)
    else:
        fake_kernel.fail("VIDIOC_CREATE_BUFS", errno.ENOMEM, after=1)
    with pytest.raises(zcore.ChainError, match=r"6164 bytes does not fit .*VIDIOC_CREATE_BUFS.*buffer_size=6164"):
        play(payloads)
    fake.output.creates, fake.output.most, fake.output.add_buffer = True, 32, add
    kept, _ = play(payloads)
    assert len(kept.payloads) == 6


@MODES
@pytest.mark.parametrize("queued", [False, True])
def test_frames_that_a_program_pushes(fake_kernel, mode, queued):
    """From another thread than that of the loop, which drives the decoder's queue all the time."""
    decoder(fake_kernel)
    payloads, pictures, _ = stream((10, SIZE), (20, LARGE), (10, SIZE))
    source, kept = zcore.AppSource(format="FWHT", size=SIZE, name="app"), Kept()
    middle = [zcore.Queue(max_size_buffers=2)] if queued else []
    decode = Decode(DECODER, output_io_mode=mode, buffers=4)
    with zcore.Chain(source, *middle, decode, kept.stage) as chain:
        # The chain decides on buffers for the size that is told: a coded frame of it has 65536 bytes here.
        pool = chain.plan()[0].pool
        room = min(buffer.size for buffers in pool.slot_buffers for buffer in buffers)
        chain.start()
        for payload in payloads:
            source.push(payload, timeout=10)
        source.push(payloads[0][:24] + bytes(room), timeout=10)
        source.push(payloads[0], timeout=10)
        source.end_of_stream()
        report = chain.wait(30)
        assert pool.enlarged == 1
        assert report.stages[0].facts["enlarged_buffers"] == 1
    assert kept.payloads[: len(pictures)] == pictures
    assert len(kept.payloads) == len(pictures) + 2


def test_pushed_from_many_threads(fake_kernel):
    decoder(fake_kernel)
    source, kept = zcore.AppSource(format="FWHT", size=SIZE, name="app"), Kept()
    payloads, _, _ = stream((1, SIZE))
    with zcore.Chain(source, Decode(DECODER, output_io_mode="mmap"), kept.stage) as chain:
        chain.start()
        threads = [
            threading.Thread(target=lambda n=n: [source.push(payloads[0] + bytes(n * 9000 * k)) for k in range(20)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        source.end_of_stream()
        chain.wait(30)
    assert len(kept.payloads) == 80


def test_too_large_for_any_buffer():
    pool = memory()
    with pytest.raises(zcore.ChainError, match="less than 2 GiB"):
        roomier(pool.acquire(0), 1 << 31, "test")
    pool.maker = lambda: None  # its queue is gone
    assert filled(pool.acquire(0), memoryview(bytes(9000)), "test").bytes_used == (9000,)


def memory(count=2, size=4096):
    pool = Pool("pool", "memfd")
    for _ in range(count):
        pool.add([allocate_memfd(size)])
    pool.describe(arrays=[(0, 0, "u1", (-1,), (1,))])
    return pool


# The slots


def test_slot_with_another_buffer():
    pool = memory()
    frame = pool.acquire(0)
    view = frame.array()
    with pytest.raises(BufferError, match="view"):
        replace_buffer(frame, allocate_memfd(8192))
    del view
    large = memory(size=8192).acquire(0)
    with pytest.raises(ValueError, match="no larger one"):
        replace_buffer(large, allocate_memfd(4096))
    replace_buffer(frame, allocate_memfd(8192))
    assert frame.bytes_used == (8192,)
    frame.array(write=True)[:] = 7
    index = frame.index
    del frame
    gc.collect()
    assert pool.stats["free"] == 2
    assert sorted(one.size for (one,) in pool.slot_buffers) == [4096, 8192]
    assert pool.acquire(0).index == index


def test_retired_slot_is_never_free_again():
    pool = memory()
    frame = pool.acquire(0)
    retire(frame)
    del frame
    assert pool.stats == pool.stats | {"free": 1, "leased": 0, "size": 2}
    kept = pool.acquire(0)
    with pytest.raises(zcore.DeviceTimeoutError):
        pool.acquire(0)
    del kept


def test_only_a_slot_with_room_is_taken():
    pool = memory()
    pool.add([allocate_memfd(12288)])
    assert take_roomy(pool, 12289, "me") is None
    frame = take_roomy(pool, 5000, "me")
    assert (frame.index, frame.bytes_used, pool.holders()) == (2, (12288,), {"me": 1})
    assert take_roomy(pool, 5000, "me") is None
    del frame
    assert pool.stats["free"] == 3
    pool.close()
    assert take_roomy(pool, 1, "me") is None


# In chains


@MODES
def test_every_branch_gets_the_larger_buffers(fake_kernel, mode):
    """A tee before two decoders and a sink: one decoder's buffers, which the others import or read."""
    payloads, pictures, _ = stream((4, SIZE), (8, LARGE))
    one, other, raw = Kept(), Kept(), Kept()
    two_decoders(fake_kernel, payloads, mode, True, (one, other, raw)).run(stall_timeout=10)
    assert one.payloads == other.payloads == pictures
    assert raw.payloads == payloads


def two_decoders(kernel, payloads, mode, multiplanar, kept):
    decoder(kernel)
    decoder(kernel, "/dev/video3", multiplanar=multiplanar)
    source, tee = CodedSource(payloads, room=2000), zcore.Tee()
    first, second = Decode(DECODER, output_io_mode=mode), Decode("/dev/video3", name="second")
    ends = zip((first, second, tee), kept, strict=True)
    links = [(source, tee), (tee, first), (tee, second), *((stage, end.stage) for stage, end in ends)]
    return zcore.Chain(links=links)


def test_single_planar_import_takes_no_larger_payload(fake_kernel):
    """videobuf2 compares it with the size that it knew before the buffer came: said in words, before it says EINVAL."""
    payloads, _, _ = stream((4, SIZE), (8, LARGE))
    chain = two_decoders(fake_kernel, payloads, "dmabuf", False, (Kept(), Kept(), Kept()))
    with pytest.raises(zcore.DeviceError, match=r"second .*EMSGSIZE.*buffer_size"):
        chain.run(stall_timeout=10)


def test_buffers_stay_large_for_the_next_run(fake_kernel):
    decoder(fake_kernel)
    payloads, pictures, _ = stream((4, SIZE), (8, LARGE))
    source, kept = CodedSource(payloads, room=2000), Kept()
    with zcore.Chain(source, Decode(DECODER, output_io_mode="mmap"), kept.stage) as chain:
        chain.run(stall_timeout=10)
        made = fake_kernel.count("VIDIOC_CREATE_BUFS")
        for _ in range(3):
            source.given = 0
            report = chain.run(stall_timeout=10)
            assert report.links[0].cpu_maps == 12
        assert fake_kernel.count("VIDIOC_CREATE_BUFS") == made > 0
    assert kept.payloads == pictures * 4

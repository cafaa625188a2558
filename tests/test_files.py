"""Files as sources and sinks of frames."""

import errno
import io
import os
import threading

import numpy as np
import pytest

import zcore
from file_rig import fwht, jpeg
from zcore.formats import find
from zcore.stages.cpu_pads import software_caps
from zcore.stages.fakes import FakeSink, FakeSource
from zcore.stages.files import FileSink, FileSource
from zcore.stages.painting import planes_of
from zcore.stages.patterns import picture

SIZE = (61, 43)  # odd, so that nothing fits by chance


def dense(name, numbers, size=SIZE, pattern="smpte"):
    return b"".join(
        plane.tobytes() for number in numbers for plane in planes_of(picture(pattern, *size, number), find(name))
    )


def read(source, frames=None):
    """Run a source; gives ``(sequence, time, bytes without padding)`` of each frame."""
    seen = []

    def look(frame):
        planes = [frame.array()] if frame.format.coded else frame.planes()
        seen.append((frame.sequence, frame.timestamp_ns, b"".join(plane.tobytes() for plane in planes)))

    report = zcore.Chain(source, FakeSink(on_frame=look)).run(frames=frames)
    return seen, report


@pytest.mark.parametrize("name", ["XR24", "NV12", "YU12", "YUYV", "RGBP", "P010", "GREY"])
def test_what_is_written_is_read(tmp_path, name):
    path = tmp_path / "film.raw"
    sink = FileSink(path)
    source = zcore.TestSource(name, SIZE, num_buffers=5, memory="memfd")
    zcore.Chain(source, sink).run()
    assert path.read_bytes() == dense(name, range(5))
    assert sink.bytes_written == path.stat().st_size
    seen, report = read(FileSource(path, name, SIZE, rate=25, memory="memfd"))
    assert [number for number, _, _ in seen] == [0, 1, 2, 3, 4]
    assert [time for _, time, _ in seen] == [number * 40_000_000 for number in range(5)]
    assert b"".join(data for _, _, data in seen) == path.read_bytes()
    assert report.stages[0].facts == {"bytes_read": path.stat().st_size}


@pytest.mark.parametrize("name", ["XR24", "NV12", "YU12", "GREY"])
def test_padded_rows_are_read_and_written(tmp_path, name):
    fmt = find(name)
    row = software_caps(fmt, SIZE).memory_planes[0][1]
    (tmp_path / "in").write_bytes(dense(name, range(2)))
    source = FileSource(tmp_path / "in", fmt, SIZE, memory="memfd")
    sink, whole = FileSink(tmp_path / "out"), FileSink(tmp_path / "whole", padded=True)
    for stage in (source, sink, whole):
        stage.open()
    caps = source.set_output(fmt, None, row + 20)
    pool = source.output.allocate(caps, 1, export=True)
    while True:
        frame = pool.acquire(0)
        if not source.read(frame):
            break
        assert frame.array().strides[0] == row + 20
        sink.take(frame)
        whole.take(frame)
        frame.release()
    assert source.trailing_bytes == 0
    for stage in (source, sink, whole):
        stage.close()
    assert (tmp_path / "out").read_bytes() == dense(name, range(2))
    assert (tmp_path / "whole").stat().st_size == 2 * caps.memory_planes[0][0]


def test_padded_files_hold_buffers_as_they_are(tmp_path):
    fmt, path = find("GREY"), tmp_path / "film"
    sink = FileSink(path, padded=True)
    sink.open()
    pool = zcore.stages.cpu_pads.MemoryPad("x", "memfd").allocate(software_caps(fmt, (3, 2), 5), 1, export=True)
    frame = pool.acquire(0)
    frame.array(write=True)[...] = 7
    sink.take(frame)
    sink.close()
    assert path.read_bytes() == bytes([7, 7, 7, 0, 0, 7, 7, 7, 0, 0])


def test_rest_that_makes_no_frame_is_told(tmp_path):
    path = tmp_path / "film"
    path.write_bytes(dense("GREY", range(2)) + b"rest")
    seen, report = read(FileSource(path, "GREY", SIZE, memory="memfd"))
    assert len(seen) == 2
    assert report.stages[0].facts["trailing_bytes"] == 4


def test_num_buffers_and_run_limit_the_frames(tmp_path):
    path = tmp_path / "film"
    path.write_bytes(dense("GREY", range(6)))
    assert len(read(FileSource(path, "GREY", SIZE, num_buffers=4, memory="memfd"))[0]) == 4
    assert len(read(FileSource(path, "GREY", SIZE, num_buffers=4, memory="memfd"), 3)[0]) == 3


def test_frames_may_be_dated_by_the_clock(tmp_path):
    path = tmp_path / "film"
    path.write_bytes(dense("GREY", range(2)))
    seen, _ = read(FileSource(path, "GREY", SIZE, do_timestamp=True, memory="memfd"))
    assert seen[1][1] >= seen[0][1] > 1_000_000_000


def test_empty_file_gives_nothing(tmp_path):
    path = tmp_path / "film"
    path.write_bytes(b"")
    assert read(FileSource(path, "GREY", SIZE, memory="memfd"))[0] == []
    assert read(FileSource(path, "FWHT", SIZE, memory="memfd"))[0] == []


def test_size_may_come_from_behind(tmp_path):
    path = tmp_path / "film"
    path.write_bytes(dense("GREY", range(3), (16, 8)))
    source = FileSource(path, "GREY", memory="memfd")
    with source:
        assert source.set_output(find("GREY"), (16, 8)).size == (16, 8)
        with pytest.raises(zcore.NegotiationError, match="unknown size; give size="):
            source.set_output(find("GREY"), None)
        with pytest.raises(zcore.NegotiationError, match="tiled"):
            source.set_output(find("HM12"), (16, 16))


def test_fwht_tells_what_it_is(tmp_path):
    path = tmp_path / "film.fwht"
    frames = [fwht((320, 180), bytes([n]) * (n * 50_000)) for n in range(4)]
    path.write_bytes(b"".join(frames))
    source = FileSource(path, memory="memfd")
    with source:
        assert source.present() == (find("FWHT"), (320, 180))
        assert source.offers() == [find("FWHT")]
        assert source.output_sizes(find("FWHT")).points == [(320, 180)]
        caps = source.set_output(find("FWHT"), None)
        assert caps.size == (320, 180)
        assert caps.memory_planes[0][0] == len(frames[-1])  # more than one would guess for that size
    seen, _ = read(FileSource(path, memory="memfd"))
    assert [data for _, _, data in seen] == frames


def test_jpegs_are_cut_into_pictures(tmp_path):
    path = tmp_path / "film.mjpg"
    frames = [jpeg((40, 24)) for _ in range(3)]
    path.write_bytes(b"".join(frames))
    with FileSource(path) as source:
        assert source.present() == (find("MJPG"), (40, 24))
    for options in ({}, {"format": "JPEG"}, {"format": "MJPG"}):
        seen, _ = read(FileSource(path, memory="memfd", **options))
        assert [data for _, _, data in seen] == frames


def test_without_parsing_there_are_blocks(tmp_path):
    path = tmp_path / "film.fwht"
    path.write_bytes(fwht((64, 48), b"x" * 100))
    seen, _ = read(FileSource(path, parse=False, blocksize=50, memory="memfd"))
    assert [len(data) for _, _, data in seen] == [50, 50, 44]
    path.write_bytes(b"y" * 9000)
    seen, _ = read(FileSource(path, "H264", memory="memfd"))
    assert [len(data) for _, _, data in seen] == [4096, 4096, 808]


def test_frame_that_is_larger_than_the_buffers(tmp_path):
    path = tmp_path / "film.mjpg"
    path.write_bytes(jpeg((400, 300), quality=98))
    assert path.stat().st_size > 65536
    source = FileSource(path, "MJPG", (16, 16), memory="memfd")
    frames, report = read(source)
    assert [content for _, _, content in frames] == [path.read_bytes()]
    assert report.stages[0].facts["enlarged_buffers"] == 1


def test_file_that_is_none_of_its_format(tmp_path):
    path = tmp_path / "film.fwht"
    path.write_bytes(jpeg())
    with pytest.raises(zcore.NegotiationError, match="does not begin with an FWHT frame header but looks like MJPEG"):
        FileSource(path, "FWHT").open()


def test_damage_in_the_middle_ends_the_chain(tmp_path):
    path = tmp_path / "film.fwht"
    path.write_bytes(fwht((64, 48), b"x" * 100) + bytes(200))
    with pytest.raises(ValueError, match="no FWHT frame header at byte 144") as caught:
        read(FileSource(path, memory="memfd", name="reader"))
    assert "in stage reader of the chain" in caught.value.__notes__


def test_open_file_stays_open():
    file = io.BytesIO(b"head" + dense("GREY", range(2)))
    file.seek(4)
    assert len(read(FileSource(file, "GREY", SIZE, memory="memfd"))[0]) == 2
    out = io.BytesIO()
    zcore.Chain(zcore.TestSource("GREY", SIZE, memory="memfd"), FileSink(out)).run(frames=2)
    assert out.getvalue() == dense("GREY", range(2))
    assert not file.closed
    assert not out.closed


def test_pipe_as_a_source(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    frames = [fwht((64, 48), bytes([n]) * 10) for n in range(20)]
    writer = threading.Thread(target=path.write_bytes, args=(b"".join(frames),))
    writer.start()
    seen, _ = read(FileSource(path, memory="memfd"))
    writer.join()
    assert [data for _, _, data in seen] == frames


@pytest.mark.parametrize("make", [FileSource, FileSink])
def test_location_that_cannot_be_opened(tmp_path, make):
    missing = tmp_path / "none" / "film"
    source = zcore.TestSource("GREY", SIZE, memory="memfd")
    drawn = []
    source.draw = drawn.append
    chain = (
        zcore.Chain(source, make(missing)) if make is FileSink else zcore.Chain(make(missing, "GREY", SIZE), FakeSink())
    )
    with pytest.raises(FileNotFoundError, match="film"):
        chain.run(frames=1)
    assert not drawn
    with pytest.raises(IsADirectoryError):
        make(tmp_path).open()
    with pytest.raises(ValueError, match="multifile"):
        make("film-%05d.raw")


def test_full_disk_names_the_file():
    source = zcore.TestSource("GREY", (640, 480), memory="memfd")
    with pytest.raises(OSError, match="/dev/full") as caught:
        zcore.Chain(source, FileSink("/dev/full")).run(frames=3)
    assert caught.value.errno == errno.ENOSPC


def test_disk_that_is_full_at_the_end_names_the_file():
    """What is small enough waits in memory until the end."""
    source = zcore.TestSource("GREY", (8, 8), memory="memfd")
    with pytest.raises(OSError, match=r"/dev/full") as caught:
        zcore.Chain(source, FileSink("/dev/full")).run(frames=3)
    assert caught.value.errno == errno.ENOSPC


def test_append_and_replace(tmp_path):
    path = tmp_path / "film"
    for append, length in ((False, 2), (True, 4), (True, 6), (False, 2)):
        source = zcore.TestSource("GREY", SIZE, memory="memfd")
        zcore.Chain(source, FileSink(path, append=append)).run(frames=2)
        assert path.stat().st_size == length * SIZE[0] * SIZE[1]


@pytest.mark.parametrize(
    "options", [{"buffer_mode": "unbuffered"}, {"buffer_mode": 2}, {"buffer_size": 1}, {"o_sync": True}]
)
def test_ways_to_write(tmp_path, options):
    path = tmp_path / "film"
    zcore.Chain(zcore.TestSource("NV12", SIZE, memory="memfd"), FileSink(path, **options)).run(frames=2)
    assert path.read_bytes() == dense("NV12", range(2))


def test_unbuffered_frames_are_in_the_file_at_once(tmp_path):
    path, sizes = tmp_path / "film", []
    sink = FileSink(path, buffer_mode="unbuffered")
    take = sink._function

    def watch(frame):
        take(frame)
        sizes.append(path.stat().st_size)

    sink._function = watch
    zcore.Chain(zcore.TestSource("GREY", (8, 8), memory="memfd"), sink).run(frames=3)
    assert sizes == [64, 128, 192]


def test_second_run_goes_on_behind_the_first(tmp_path):
    path = tmp_path / "film"
    with zcore.Chain(zcore.TestSource("GREY", SIZE, memory="memfd"), FileSink(path)) as chain:
        chain.run(frames=2)
        assert path.stat().st_size == 2 * SIZE[0] * SIZE[1]
        chain.run(frames=1)
    assert path.read_bytes() == dense("GREY", range(3))


def test_payload_of_coded_frames_is_written(tmp_path):
    path = tmp_path / "film"
    source = FakeSource("MPEG", sizetype="random", sizemin=1, sizemax=50, filltype="pattern", memory="memfd")
    sizes = []
    source.on_frame = lambda frame: sizes.append(frame.bytes_used[0])
    zcore.Chain(source, FileSink(path)).run(frames=20)
    assert path.read_bytes() == b"".join(bytes(range(size)) for size in sizes)


@pytest.mark.parametrize(
    ("make", "options", "why"),
    [
        (FileSource, {"blocksize": 0}, "blocksize"),
        (FileSink, {"buffer_mode": "fully"}, "default, full, line, unbuffered"),
        (FileSink, {"buffer_mode": 3}, "buffer_mode"),
        (FileSink, {"buffer_size": 0}, "buffer_size"),
    ],
)
def test_wrong_arguments(make, options, why):
    with pytest.raises(ValueError, match=why):
        make("film", **options)


def test_close_twice(tmp_path):
    for stage in (FileSource(__file__), FileSink(tmp_path / "film")):
        stage.open()
        stage.open()
        assert stage.is_open
        stage.close()
        stage.close()
        assert not stage.is_open


def test_deep_planes_come_back_bit_by_bit(tmp_path):
    path = tmp_path / "film"
    zcore.Chain(zcore.TestSource("P010", (8, 4), pattern="colors", memory="memfd"), FileSink(path)).run(frames=1)
    words = np.frombuffer(path.read_bytes(), "<u2")
    assert (words & 0x3F == 0).all()

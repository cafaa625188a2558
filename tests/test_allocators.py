"""Allocators by name, the user's choice, names of buffers, and where memory went."""

import errno
import gc
import json

import pytest

import zcore
from traps_rig import machine, planned, reasons  # noqa: F401
from zcore import _alloc, accounting, allocators, cli
from zcore.allocators import Heap, check_allocator, ranked_heaps, third_parties


@pytest.mark.proves("T41", "T48")
@pytest.mark.parametrize(
    ("name", "contiguous", "cached", "secure"),
    [
        ("system", False, True, False), ("linux,cma", True, True, False), ("reserved", True, True, False),
        ("default_cma_region", True, True, False), ("vidbuf_cached", True, True, False),
        ("system-uncached", False, False, False), ("my-cma-uncached", True, False, False),
        ("restricted_mtk_cma", True, True, True), ("secure-display", False, True, True),
    ],
)  # fmt: skip
def test_what_the_name_of_a_heap_tells(name, contiguous, cached, secure):
    heap = Heap.of(name)
    assert (heap.contiguous, heap.cached, heap.secure) == (contiguous, cached, secure)
    assert name in str(heap)


def test_order_in_which_heaps_are_tried(monkeypatch):
    there = ["system", "system-uncached", "secure", "reserved", "linux,cma", "cma-uncached", "other-cma"]
    monkeypatch.setattr(_alloc, "heaps", lambda: there)
    assert [heap.name for heap in ranked_heaps()] == [
        "linux,cma", "reserved", "other-cma", "system", "cma-uncached", "system-uncached",
    ]  # fmt: skip
    assert third_parties()[-1] == "udmabuf"


def test_unknown_allocators_are_refused_with_the_nearest_name(monkeypatch):
    monkeypatch.setattr(_alloc, "heaps", lambda: ["reserved", "system"])
    assert check_allocator("dma-heap:system") == "dma-heap:system"
    mistakes = {"dma-heap:systm": "dma-heap:system", "udmabuff": "udmabuf", "dmabuf_import": "dmabuf-import"}
    for wrong, near in mistakes.items():
        with pytest.raises(ValueError, match=f"did you mean '{near}'"):
            zcore.Chain(zcore.FakeSource(), zcore.FakeSink(), allocator=wrong)
    with pytest.raises(ValueError, match="stages that the chain has not: x"):
        zcore.Chain(zcore.FakeSource(), zcore.FakeSink(), allocator={"x": "auto"})


@pytest.mark.parametrize("kind", ["dma-heap:system", "dma-heap:reserved", "dma-heap", "udmabuf"])
def test_choice_between_devices(machine, kind):
    for name in ("system", "reserved"):
        machine.heap(name)
    machine.udmabuf()
    camera = machine.camera("XR24", (64, 16), formats="XR24", auto=1000)
    with zcore.Chain(camera, machine.display(), allocator=kind) as chain:
        plan = chain.plan()
        assert plan[0].allocator == ("dma-heap:reserved" if kind == "dma-heap" else kind)
        names = sorted(
            one.name for one in machine.kernel.buffers.values() if getattr(one, "name", "").startswith("zcore:")
        )
        assert len(names) >= len(plan[0].pool)
        assert chain.run(frames=3).links[0].buffer_bytes == len(plan[0].pool) * 4096


def test_choice_for_software(machine):
    machine.heap("system")
    with zcore.Chain(zcore.TestSource("XR24", (64, 16)), zcore.FakeSink(), allocator="dma-heap:system") as chain:
        assert chain.plan()[0].pool.allocator == "dma-heap:system"
        assert chain.run(frames=2).frames == 2


def test_choice_that_cannot_work_says_why(machine):
    machine.heap("system")
    machine.kernel.fail("DMA_HEAP_IOCTL_ALLOC", errno.ENOMEM, times=100)
    camera = machine.camera("XR24", (64, 16), formats="XR24")
    with pytest.raises(
        zcore.NegotiationError, match=r"from dma-heap:system, which was asked for; .*no memory of this size"
    ):
        zcore.Chain(camera, machine.display(), allocator="dma-heap:system").plan()


@pytest.mark.proves("T47")
def test_exhausted_contiguous_memory_is_told(monkeypatch):
    monkeypatch.setattr(allocators, "cma", lambda: (64 << 20, 3 << 20))
    error = zcore.errors.make_error(errno.ENOMEM, "DMA_HEAP_IOCTL_ALLOC", "/dev/dma_heap/reserved")
    assert "of 64 MiB contiguous memory (CmaTotal) 3 MiB are free (CmaFree)" in str(error)
    monkeypatch.setattr(allocators, "cma", lambda: (0, 0))
    assert "CmaTotal" not in str(zcore.errors.make_error(errno.ENOMEM, "VIDIOC_REQBUFS", "x"))


def test_pools_of_this_program(machine):
    machine.heap("system")
    with zcore.Chain(zcore.TestSource("XR24", (64, 16), name="pictures"), zcore.FakeSink()) as chain:
        pool = chain.plan()[0].pool
        frame = pool.acquire(0)
        mine = next(one for one in zcore.memory().pools if one.name == "pictures")
        assert (mine.allocator, mine.buffers, mine.bytes) == (pool.allocator, len(pool), len(pool) * 4096)
        assert (mine.mapped, mine.holders) == (0, {"python": 1})
        assert frame.array().any() in (True, False)
        found = zcore.memory()
        assert next(one for one in found.pools if one.name == "pictures").mapped == 1
        assert found.by_allocator[pool.allocator][0] >= len(pool)
        assert "pictures [" in str(found)
        del frame, pool
    gc.collect()
    assert not any(one.name == "pictures" for one in zcore.memory().pools)


BUFINFO = """
Dma-buf Objects:
size    \tflags   \tmode    \tcount   \texp_name\tino     \tname
00004096\t00000002\t00080007\t00000002\tsystem\t00000011\tzcore:camera:0
\tAttached Devices:
\tvivid-000
\tvkms
Total 2 devices attached

00008192\t00000002\t00080007\t00000001\tudmabuf\t00000012\t<none>
\tAttached Devices:
Total 0 devices attached

Total 2 objects, 12288 bytes
"""


def test_buffers_of_the_machine(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(accounting, "BUFINFO", tmp_path / "bufinfo")
    monkeypatch.setattr(accounting, "PROC", tmp_path)
    assert zcore.memory().machine == []
    (tmp_path / "bufinfo").write_text(BUFINFO)
    found = zcore.memory()
    first, second = found.machine
    assert (first.size, first.exporter, first.name, first.inode) == (4096, "system", "zcore:camera:0", 11)
    assert first.holders == ("device vivid-000", "device vkms")
    assert (second.name, second.holders) == ("", ())
    assert found.by_exporter == {"system": (1, 4096), "udmabuf": (1, 8192)}
    assert cli.main(["memory"]) == 0
    assert "zcore:camera:0: 4 KiB of system, held by device vivid-000, device vkms" in capsys.readouterr().out
    assert cli.main(["memory", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"][1]["size"] == 8192


def test_buffers_of_processes_that_can_be_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(accounting, "BUFINFO", tmp_path / "none")
    monkeypatch.setattr(accounting, "PROC", tmp_path)
    for directory in ("7/fd", "7/fdinfo"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "7/comm").write_text("camera\n")
    (tmp_path / "7/fd/3").symlink_to("/dmabuf:mine")
    (tmp_path / "7/fd/4").symlink_to("/dev/null")
    (tmp_path / "7/fdinfo/3").write_text("pos:\t0\nsize:\t4096\ncount:\t2\nexp_name:\tudmabuf\nname:\tmine\n")
    real = accounting.Path.stat
    monkeypatch.setattr(
        accounting.Path, "stat", lambda self, **o: real(tmp_path) if self.name == "3" else real(self, **o)
    )
    (one,) = zcore.memory().machine
    assert (one.size, one.exporter, one.name, one.holders) == (4096, "udmabuf", "mine", ("7 camera",))

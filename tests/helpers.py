"""What several test files need."""

import threading

from fakekernel import FakeDmaBuf, fourcc
from zcore._dmabuf import DmaBuf
from zcore._pool import Pool

WIDTH, HEIGHT = 64, 16
XR24 = {
    "drm_fourcc": fourcc("XR24"), "size": (WIDTH, HEIGHT), "components": [(0, 0, WIDTH * 4, HEIGHT)],
    "arrays": [(0, 0, "u1", (HEIGHT, WIDTH, 4), (WIDTH * 4, 4, 1))],
}  # fmt: skip
NV12 = {
    "drm_fourcc": fourcc("NV12"), "size": (WIDTH, HEIGHT),
    "components": [(0, 0, WIDTH, HEIGHT), (0, WIDTH * HEIGHT, WIDTH, HEIGHT // 2)],
    "arrays": [(0, 0, "u1", (HEIGHT, WIDTH), (WIDTH, 1)),
               (0, WIDTH * HEIGHT, "u1", (HEIGHT // 2, WIDTH // 2, 2), (WIDTH, 2, 1))],
}  # fmt: skip
YUYV = {
    "drm_fourcc": fourcc("YUYV"), "size": (WIDTH, HEIGHT), "components": [(0, 0, WIDTH * 2, HEIGHT)],
    "arrays": [(0, 0, "u1", (HEIGHT, WIDTH, 2), (WIDTH * 2, 2, 1))],
}  # fmt: skip
CODED = {"size": (WIDTH, HEIGHT), "arrays": [(0, 0, "u1", (-1,), (1,))]}
SIZE = WIDTH * HEIGHT * 4
YUYV_SIZE = WIDTH * HEIGHT * 2


def new_buffer(kernel, size=SIZE, label="dmabuf", readonly=False):
    """Give a fake kernel buffer and zcore's object for it."""
    memory = FakeDmaBuf(kernel, size, label)
    return memory, DmaBuf.adopt(memory.export(readonly), label)


def make_pool(kernel, count=3, described=XR24, size=SIZE, **options):
    """Make a pool of fake DMA-BUFs; ``pool.memories`` cannot be set, so they come along."""
    pool = Pool(options.pop("name", "pool"), "fake", **options)
    memories = []
    for index in range(count):
        memory, buffer = new_buffer(kernel, size, f"{pool.name}-{index}")
        memories.append(memory)
        pool.add([buffer])
    if described is not None:
        pool.describe(**described)
    return pool, memories


def run_threads(count, work):
    """Run ``work(number)`` in threads that start together; an exception in one is raised here."""
    barrier = threading.Barrier(count)
    errors = []

    def body(number):
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]


def in_thread(work):
    """Run something in another thread and give its result."""
    results = []
    run_threads(1, lambda _: results.append(work()))
    return results[0]

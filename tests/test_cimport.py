"""A stranger compiles against the installed package, and works on slots and frames without the GIL."""

import json
import shutil
from pathlib import Path

import pytest
from test_packaging import build, install, run

import zcore

HERE = Path(__file__).parent

SETUP = """
import zcore
from Cython.Build import cythonize
from setuptools import Extension, setup

setup(ext_modules=cythonize(Extension("consumer", ["consumer.pyx"], include_dirs=[zcore.get_include()])))
"""

PROGRAM = """
import json
from pathlib import Path

import consumer
import numpy as np
import zcore

pool = zcore.Pool("stranger", "memfd")
buffers = [zcore.allocate(64 * 48, "memfd") for _ in range(3)]
for buffer in buffers:
    pool.add([buffer], [(0, 64 * 48)])
pool.describe(size=(64, 48), arrays=[(0, 0, np.dtype("u1"), (48, 64), (64, 1))])

free = consumer.drain(pool), consumer.drain(pool)
frame = consumer.acquire(pool)
array = frame.array(write=True)
array[...] = 7
held = consumer.drain(pool)
facts = {
    "place": str(Path(zcore.__file__).parent),
    "free": free,
    "held": held,
    "holders": pool.holders(),
    "checksum": consumer.checksum(frame),
    "same address": consumer.address(frame, 0) == array.ctypes.data,
    "descriptors": [consumer.descriptor(buffer) == buffer.fd for buffer in buffers],
}
frames = [frame, consumer.acquire(pool), consumer.acquire(pool)]
facts["none is free"] = consumer.acquire(pool) is None
del array
frame.release()
try:
    consumer.checksum(frame)
except ValueError as error:
    facts["released"] = str(error)
del frame, frames
facts["all back"] = consumer.drain(pool)
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with the installed package in ``site`` and the consumer, compiled against it."""
    place = tmp_path_factory.mktemp("stranger")
    install(build(tmp_path_factory)[1], place / "site")
    shutil.copy(HERE / "cython/consumer.pyx", place)
    (place / "setup.py").write_text(SETUP)
    run("setup.py", "-q", "build_ext", "--inplace", cwd=place, PYTHONPATH=str(place / "site"))
    return place


def test_stranger_works_on_slots_and_frames_without_the_gil(place):
    facts = json.loads(run("-c", PROGRAM, cwd=place, PYTHONPATH=str(place / "site")))
    assert facts.pop("released").startswith("the frame was released")
    assert facts == {
        "place": str(place / "site/zcore"),
        "free": [3, 3],
        "held": 2,
        "holders": {"python": 1},
        "checksum": [7 * 64 * 48],
        "same address": True,
        "descriptors": [True] * 3,
        "none is free": True,
        "all back": 3,
    }


def test_every_declaration_is_found_in_the_package(place, tmp_path):
    declared = sorted(path.stem for path in (HERE.parent / "src/zcore").glob("_*.pxd"))
    assert "_pool" in declared
    (tmp_path / "every.pyx").write_text("cimport zcore\n" + "".join(f"cimport zcore.{name}\n" for name in declared))
    run("-m", "cython", "-3", "every.pyx", cwd=tmp_path, PYTHONPATH=str(place / "site"))
    assert (tmp_path / "every.c").exists()


def test_include_directory_is_named_or_its_absence_explained():
    if (Path(zcore.__file__).parent / "_sys.h").exists():
        assert zcore.get_include() == str(Path(zcore.__file__).parent)
        return
    with pytest.raises(FileNotFoundError, match="editable mode"):
        zcore.get_include()

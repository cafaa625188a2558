"""The source archive and the wheel hold what they should, and what is public exists, is documented and is typed."""

import ast
import functools
import inspect
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

import zcore

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src/zcore"
PYTHON = ROOT / "python/zcore"
# What is not looked at: everything that was made, not written.
MADE = shutil.ignore_patterns(".*", "build", "dist", "demo-out", "__pycache__", "*.so", "*.egg-info")
MAX_LINES = 400
LONG = ()  # data that cannot be cut


def run(*command, cwd, **environment):
    result = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
    assert result.returncode == 0, f"{command}:\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return result.stdout


def build(factory):
    """Give source archive and wheel; compiling takes longer than all tests, so once a session is enough."""
    return build_below(factory.getbasetemp())


@functools.cache
def build_below(base):
    """Copy the tree, make the source archive there, and the wheel from that archive alone."""
    place = Path(tempfile.mkdtemp(prefix="distribution", dir=base))
    shutil.copytree(ROOT, place / "tree", ignore=MADE)
    config = place / "extra.cfg"
    config.write_text(f"[build_ext]\nparallel = {os.cpu_count()}\n")
    out = place / "out"
    make_sdist = f"from setuptools.build_meta import build_sdist; build_sdist({str(out)!r})"
    run("-c", make_sdist, cwd=place / "tree")
    (sdist,) = out.glob("*.tar.gz")
    run(
        "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", out, sdist,
        cwd=place, DIST_EXTRA_CONFIG=str(config),
    )  # fmt: skip
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def install(wheel, target):
    """Unpack a wheel as pip does, with nothing else around it."""
    run(
        "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile", "--target", target, wheel,
        cwd=target.parent,
    )  # fmt: skip


@pytest.fixture(scope="session")
def sdist_names(tmp_path_factory):
    with tarfile.open(build(tmp_path_factory)[0]) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="session")
def wheel_names(tmp_path_factory):
    with zipfile.ZipFile(build(tmp_path_factory)[1]) as archive:
        return set(archive.namelist())


def modules():
    """Read MODULES out of setup.py, which cannot be imported without running it."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODULES":
            return ast.literal_eval(node.value)
    raise AssertionError("setup.py has no MODULES")


def relative(*patterns, under):
    return {str(path.relative_to(under)) for pattern in patterns for path in under.rglob(pattern)}


# The archives


def test_sdist_has_every_source(sdist_names):
    wanted = {f"src/zcore/{name}" for name in relative("*.pyx", "*.pxd", "*.h", under=SRC)}
    wanted |= {f"python/zcore/{name}" for name in relative("*.py", "*.pyi", "*.pxd", "py.typed", under=PYTHON)}
    wanted |= {"pyproject.toml", "setup.py", "LICENSE"} | ({"README.md"} if (ROOT / "README.md").exists() else set())
    assert not wanted - sdist_names


def test_wheel_has_every_module(wheel_names):
    assert not {f"zcore/{name}" for name in relative("*.py", under=PYTHON)} - wheel_names


def test_wheel_has_the_types(wheel_names):
    assert not ({"zcore/py.typed"} | {f"zcore/{name}.pyi" for name in modules()}) - wheel_names


def test_wheel_has_every_declaration(wheel_names):
    wanted = relative("*.pxd", "*.h", under=SRC) | relative("*.pxd", under=PYTHON)
    assert {"__init__.pxd", "_pool.pxd", "_sys.h", "uapi/videodev2.pxd", "uapi/zc_videodev2.h"} <= wanted
    assert not {f"zcore/{name}" for name in wanted} - wheel_names


def test_wheel_has_exactly_the_extension_modules_of_setup(wheel_names):
    found = sorted(name.removeprefix("zcore/").partition(".")[0] for name in wheel_names if name.endswith(".so"))
    assert found == sorted(modules())
    assert sorted(modules()) == sorted(path.stem for path in SRC.glob("*.pyx"))


def test_wheel_has_nothing_else(wheel_names):
    assert not {name for name in wheel_names if not re.match(r"zcore(/|-[0-9.]+\.dist-info/)", name)}
    assert not {name for name in wheel_names if name.endswith((".pyx", ".c", ".o", ".pyc"))}


def test_installed_wheel_imports_from_anywhere_with_numpy_only(tmp_path_factory, tmp_path):
    install(build(tmp_path_factory)[1], tmp_path / "site")
    program = """
import importlib, sys
from pathlib import Path

class Absent:  # what an extra would bring is not there
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("rich", "PIL", "av"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import zcore
place = Path(zcore.__file__).parent
names = [".".join(("zcore", *path.relative_to(place).with_suffix("").parts)) for path in place.rglob("*.py")]
for name in names:
    if not name.endswith(("__init__", "__main__")) and not name.startswith("zcore.cli."):
        importlib.import_module(name)
assert zcore.Chain(zcore.TestSource("XR24", (64, 48)), zcore.ArraySink()).run(frames=3).frames == 3
print(place)
"""
    printed = run("-c", program, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert Path(printed.strip()) == tmp_path / "site/zcore"


def test_version_is_said_once(wheel_names):
    assert f"zcore-{zcore.__version__}.dist-info/METADATA" in wheel_names


# What is public

PUBLIC = sorted(name for name in zcore.__all__ if not name.startswith("__"))


def test_public_names_are_sorted_and_unique():
    assert zcore.__all__ == sorted(set(zcore.__all__))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_exists_and_says_what_it_is(name):
    thing = getattr(zcore, name)
    problems = docstring_problems(name, thing)
    if inspect.isclass(thing) and not issubclass(thing, BaseException | int):
        for member, value in vars(thing).items():
            if not member.startswith("_") and (callable(value) or isinstance(value, property | staticmethod)):
                problems += docstring_problems(f"{name}.{member}", value)
    assert not problems


SECTIONS = ("Parameters", "Returns", "Yields", "Raises", "Attributes", "Notes", "Examples", "See Also", "Warns")


def docstring_problems(name, thing):
    """Tell what is wrong with a docstring by numpydoc's rules, as far as this project has agreed on them."""
    text = inspect.getdoc(thing) or ""
    lines = text.splitlines()
    if lines and re.match(r"[\w.]+\(.*\)( -> .+)?$", lines[0]):  # the signature, put there by Cython (embedsignature)
        lines = lines[1:]
        while lines and not lines[0].strip():
            lines = lines[1:]
    if not lines:
        return [f"{name}: has no docstring"]
    problems = []
    summary = lines[0].strip()
    if not re.search(r"[.:?]$", "\n".join(lines).partition("\n\n")[0].strip()):
        problems.append(f"{name}: its summary is no sentence: {summary!r}")
    for number, line in enumerate(lines[:-1]):
        title, rule = line.strip(), lines[number + 1].strip()
        if rule and not rule.strip("-") and len(rule) > 2:
            if title not in SECTIONS:
                problems.append(f"{name}: section {title!r} is none of numpydoc's")
            if len(rule) != len(title):
                problems.append(f"{name}: the rule under {title!r} is not as long as the title")
            if number and lines[number - 1].strip():
                problems.append(f"{name}: no empty line before {title!r}")
    return problems


def test_docstring_problems_are_found():
    def good():
        """Do it.

        Parameters
        ----------
        x : int
            What.
        """

    def bad():
        """Do it
        Parameter
        -----
        """

    def silent():
        pass

    assert not docstring_problems("good", good)
    assert len(docstring_problems("bad", bad)) == 4
    assert docstring_problems("silent", silent) == ["silent: has no docstring"]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_in_the_documentation(name):
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text() for page in pages if page.exists())
    assert re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", text), f"{name} is in none of {[p.name for p in pages]}"


@pytest.mark.parametrize("name", modules())
def test_native_module_has_its_files(name):
    stub = PYTHON / f"{name}.pyi"
    assert (SRC / f"{name}.pyx").exists()
    assert stub.exists(), "the stub is missing"
    assert not [node for node in ast.walk(ast.parse(stub.read_text())) if is_documented(node)], "docstrings are in .pyx"
    assert (PYTHON / "__init__.pxd").exists()


def is_documented(node):
    return isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Module) and ast.get_docstring(node) is not None


def test_no_stub_is_left_over():
    assert sorted(path.stem for path in PYTHON.glob("*.pyi")) == sorted(modules())


# The sources


def sources():
    for directory, below, names in os.walk(ROOT):
        below[:] = set(below) - MADE(directory, below)
        for name in names:
            if name.endswith((".py", ".pyi", ".pyx", ".pxd", ".sh")):
                yield str(Path(directory, name).relative_to(ROOT))


def test_no_file_is_too_long():
    found = {name: len((ROOT / name).read_text().splitlines()) for name in sources()}
    assert len(found) > 50, "the sources were not found"
    too_long = {name: lines for name, lines in found.items() if lines > MAX_LINES and name not in LONG}
    assert not too_long, f"over {MAX_LINES} lines, to be split: {too_long}"
    assert not [name for name in LONG if found.get(name, 0) <= MAX_LINES], "an exception that is needed no more"

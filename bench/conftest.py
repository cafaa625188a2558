"""Calibration, the fixture that times, and the C floors."""

import importlib.util
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from turns import TURNS

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
# Benches that make no turns of their own are calibrated; the default of 5 us would choose one iteration only.
DEFAULTS = {"min_time": "0.0005", "disable_gc": True, "columns": ["min", "median", "iqr"]}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Replace pytest-benchmark's defaults, but nothing that was asked for on the command line."""
    given = {word.split("=")[0] for word in config.invocation_params.args if isinstance(word, str)}
    for name, value in DEFAULTS.items():
        if f"--benchmark-{name.replace('_', '-')}" not in given:
            setattr(config.option, f"benchmark_{name}", value)


@pytest.fixture
def turns(request, benchmark):
    """Time a function that makes many turns in one call; gives what it gives."""
    marker = request.node.get_closest_marker("benchmark")
    count = marker.kwargs["timer"].turns
    rounds = 200 if count == TURNS else 20

    def run(way, *arguments):
        return benchmark.pedantic(way, (count, *arguments), rounds=rounds, warmup_rounds=2)

    return run


@pytest.fixture(scope="session")
def floor():
    """Give the module of C loops, built anew when its source has changed."""
    source = HERE / "floor.pyx"
    target = BUILD / f"floor{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        build(source)
    spec = importlib.util.spec_from_file_location("floor", target)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(source):
    """Compile the floors as the core itself is compiled."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    headers = HERE.parent / "src" / "zcore"
    extension = Extension(
        "floor",
        [str(source)],
        include_dirs=[str(headers), np.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_22_API_VERSION")],
        extra_compile_args=["-O2"],
    )
    modules = cythonize([extension], build_dir=str(BUILD), include_path=[str(headers.parent)], quiet=True)
    command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(BUILD)
    command.ensure_finalized()
    command.run()

"""Build the Cython half of zcore; everything static lives in pyproject.toml."""

import os
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SRC = Path("src/zcore")
# Named one by one: with a glob a missing file would give a wheel that silently lacks the core.
MODULES = (
    "_sys",
    "_errors",
    "_fd",
    "_alarm",
    "_ioctl",
    "_fence",
    "_dmabuf",
    "_alloc",
    "_holders",
    "_pool",
    "_frame",
    "_roomy",
    "_v4l2_device",
    "_v4l2_controls",
    "_v4l2_selection",
    "_v4l2_inputs",
    "_v4l2_ext_controls",
    "_v4l2_hubs",
    "_v4l2_events",
    "_v4l2_codec",
    "_v4l2_buffers",
    "_v4l2_growth",
    "_v4l2",
    "_changes",
    "_drm_types",
    "_drm",
    "_drm_properties",
    "_gem",
    "_grab",
    "_kms_extras",
    "_kms_legacy",
    "_commit_call",
    "_commits",
    "_commit_alone",
    "_kms",
    "_kms_lease",
    "_kms_events",
    "_chain",
    "_fill_nodes",
    "_queue_steps",
    "_nodes",
    "_fence_nodes",
    "_writeback_nodes",
    "_coded_nodes",
    "_codec_nodes",
    "_request",
    "_stateless_nodes",
    "_fwht_node",
    "_parsed_node",
    "_output_nodes",
    "_rw_nodes",
    "_cpu_nodes",
    "_delay_nodes",
    "_flow",
    "_pace",
    "_end_nodes",
    "_inlet",
    "_app_nodes",
    "_media",
    "_subdev",
    "_uevent",
)
TRACE = os.environ.get("ZCORE_TRACE") == "1"  # line tracing for coverage; never benchmark such a build
WERROR = os.environ.get("ZCORE_WERROR") == "1"


class BuildPy(build_py):
    """Ship ``src/zcore/**/*.{pxd,h}`` beside the compiled modules, so that others can ``cimport zcore``."""

    def run(self):
        """Copy them after the Python files."""
        super().run()
        if not self.editable_mode:
            for source, target in self._declarations():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode=True):
        """Name them too: an uninstall must find them."""
        return super().get_outputs(include_bytecode) + [str(target) for _, target in self._declarations()]

    def _declarations(self):
        for pattern in ("*.pxd", "*.h"):
            for source in sorted(SRC.rglob(pattern)):
                yield source, Path(self.build_lib, "zcore", source.relative_to(SRC))


setup(
    cmdclass={"build_py": BuildPy},
    ext_modules=cythonize(
        [
            Extension(
                f"zcore.{name}",
                [f"{SRC}/{name}.pyx"],
                include_dirs=[str(SRC), numpy.get_include()],
                depends=[str(path) for path in SRC.rglob("*.h")],
                define_macros=[
                    ("NPY_NO_DEPRECATED_API", "NPY_1_22_API_VERSION"),
                    *([("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] if TRACE else []),
                ],
                extra_compile_args=[
                    "-O2",
                    "-Wall",
                    "-Wextra",
                    "-Wno-unused-parameter",
                    *(["-Werror", "-Wno-error=unused-function"] if WERROR else []),
                ],
            )
            for name in MODULES
        ],
        include_path=["src"],
        build_dir=None if TRACE else "build/cython",
        compiler_directives={
            "language_level": 3,
            "auto_pickle": False,
            "embedsignature": True,
            "freethreading_compatible": True,
            "linetrace": TRACE,
        },
    ),
)

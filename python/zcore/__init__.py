"""Zero-copy video frames between V4L2 and DRM/KMS devices.

>>> import zcore
>>> chain = zcore.Chain(zcore.TestSource("XR24", (64, 48)), zcore.ArraySink())
>>> chain.run(frames=3).zero_copy
True
"""

try:
    from zcore import _cpu_nodes, _nodes  # noqa: F401
except ImportError as _error:  # pragma: no cover
    raise ImportError(
        f"zcore's native half is not there ({_error}). From a checkout: 'pip install .', or for development "
        "'pip install --no-build-isolation -e .' and 'python setup.py build_ext --inplace' after each change"
    ) from _error

from zcore._alloc import allocate, heaps
from zcore._dmabuf import DmaBuf
from zcore._frame import Frame
from zcore._pool import Pool
from zcore.access import Access
from zcore.chain import Chain
from zcore.errors import (
    ChainError,
    DeviceBusyError,
    DeviceError,
    DeviceGoneError,
    DeviceNotFoundError,
    DevicePermissionError,
    DeviceTimeoutError,
    NegotiationError,
    NotReadyError,
    PoolClosedError,
    StallError,
    UnknownFormatError,
    UnsupportedError,
    ZeroCopyError,
)
from zcore.report import LinkReport, Report, StageReport
from zcore.stages.capture import Capture
from zcore.stages.convert import Convert
from zcore.stages.display import Display
from zcore.stages.sinks import ArraySink, FileSink, PngSink
from zcore.stages.software import Callback, SoftwareConvert, TestSource

__version__ = "0.1.0"

__all__ = [
    "Access",
    "ArraySink",
    "Callback",
    "Capture",
    "Chain",
    "ChainError",
    "Convert",
    "DeviceBusyError",
    "DeviceError",
    "DeviceGoneError",
    "DeviceNotFoundError",
    "DevicePermissionError",
    "DeviceTimeoutError",
    "Display",
    "DmaBuf",
    "FileSink",
    "Frame",
    "LinkReport",
    "NegotiationError",
    "NotReadyError",
    "PngSink",
    "Pool",
    "PoolClosedError",
    "Report",
    "SoftwareConvert",
    "StageReport",
    "StallError",
    "TestSource",
    "UnknownFormatError",
    "UnsupportedError",
    "ZeroCopyError",
    "__version__",
    "allocate",
    "get_include",
    "heaps",
]


def get_include() -> str:
    """Name the directory of the C headers, for extensions that ``cimport zcore``.

    Returns
    -------
    str
        For ``include_dirs`` of the extension; the ``.pxd`` files lie there too, and Cython finds them by itself.

    Raises
    ------
    FileNotFoundError
        zcore is installed in editable mode: the declarations are in ``src`` of the checkout, where Cython finds them
        with ``include_path=["src"]`` only.
    """
    from pathlib import Path

    directory = Path(__file__).parent
    if not (directory / "_sys.h").exists():
        raise FileNotFoundError(
            f"{directory} has no C headers: zcore is installed in editable mode; install a wheel, or compile with the "
            "checkout's src as Cython's include_path and its src/zcore in include_dirs"
        )
    return str(directory)

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
from zcore._fence import Fence
from zcore._frame import Frame
from zcore._pool import Pool
from zcore.access import Access
from zcore.accounting import memory
from zcore.caps import Caps, CapsError
from zcore.chain import Chain
from zcore.controls import Control, ControlChange, ControlError, Controls, UnknownControlError
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
from zcore.hotplug import DeviceEvent, DeviceMonitor
from zcore.media import MediaDevice, configure_camera, media_device_of, media_devices
from zcore.negotiate import LinkPlan, Plan
from zcore.pipeline import LaunchError, launch
from zcore.report import LinkReport, Report, StageReport
from zcore.stages.app import AppSink, AppSource
from zcore.stages.callback import Callback
from zcore.stages.capture import Capture
from zcore.stages.codec import Decode
from zcore.stages.convert import Convert
from zcore.stages.demux_source import DemuxSource
from zcore.stages.display import Display
from zcore.stages.encode import Encode
from zcore.stages.fakes import FakeSink, FakeSource
from zcore.stages.files import FileSink, FileSource
from zcore.stages.flow import CapsFilter, MayConvert, Passthrough, Queue, Tee
from zcore.stages.identity import Identity
from zcore.stages.kms_color import HdrMetadata
from zcore.stages.kms_grab import KmsGrab
from zcore.stages.kms_lease import Lease
from zcore.stages.mux_sink import MuxSink
from zcore.stages.output import Output
from zcore.stages.screen_capture import ScreenCapture
from zcore.stages.sinks import ArraySink, PngSink
from zcore.stages.software import SoftwareConvert
from zcore.stages.software_codec import SoftwareEncode
from zcore.stages.software_decode import SoftwareDecode
from zcore.stages.stateless import StatelessDecode
from zcore.stages.testsource import TestSource

__version__ = "0.1.0"

__all__ = [
    "Access",
    "AppSink",
    "AppSource",
    "ArraySink",
    "Callback",
    "Caps",
    "CapsError",
    "CapsFilter",
    "Capture",
    "Chain",
    "ChainError",
    "Control",
    "ControlChange",
    "ControlError",
    "Controls",
    "Convert",
    "Decode",
    "DemuxSource",
    "DeviceBusyError",
    "DeviceError",
    "DeviceEvent",
    "DeviceGoneError",
    "DeviceMonitor",
    "DeviceNotFoundError",
    "DevicePermissionError",
    "DeviceTimeoutError",
    "Display",
    "DmaBuf",
    "Encode",
    "FakeSink",
    "FakeSource",
    "Fence",
    "FileSink",
    "FileSource",
    "Frame",
    "HdrMetadata",
    "Identity",
    "KmsGrab",
    "LaunchError",
    "Lease",
    "LinkPlan",
    "LinkReport",
    "MayConvert",
    "MediaDevice",
    "MuxSink",
    "NegotiationError",
    "NotReadyError",
    "Output",
    "Passthrough",
    "Plan",
    "PngSink",
    "Pool",
    "PoolClosedError",
    "Queue",
    "Report",
    "ScreenCapture",
    "SoftwareConvert",
    "SoftwareDecode",
    "SoftwareEncode",
    "StageReport",
    "StallError",
    "StatelessDecode",
    "Tee",
    "TestSource",
    "UnknownControlError",
    "UnknownFormatError",
    "UnsupportedError",
    "ZeroCopyError",
    "__version__",
    "allocate",
    "configure_camera",
    "get_include",
    "heaps",
    "launch",
    "media_device_of",
    "media_devices",
    "memory",
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

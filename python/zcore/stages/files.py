"""Files as sources and sinks of frames."""

from zcore.stages.file_sink import FileSink
from zcore.stages.file_source import FileSource

__all__ = ["FileSink", "FileSource"]

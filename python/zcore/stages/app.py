"""The doors of a chain: frames that a program pushes into it, and frames that it pulls out."""

from zcore.stages.app_sink import AppSink
from zcore.stages.app_source import AppSource

__all__ = ["AppSink", "AppSource"]

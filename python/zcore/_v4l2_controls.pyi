from collections.abc import Sequence

from zcore._v4l2_device import ControlInfo, V4l2Device

def menu(device: V4l2Device, control: ControlInfo) -> dict[int, str | int]: ...
def set_controls(
    device: V4l2Device, wanted: Sequence[tuple[int, int, int | str]]
) -> tuple[int, int, list[int | str]]: ...

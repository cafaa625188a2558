# The public door for other Cython modules: `from zcore cimport Frame, Pool, slot_drop`. Whatever is not here may change.
# A module that comes through it is compiled with `include_dirs=[zcore.get_include()]`.
from zcore._chain cimport Link, Loop, Node
from zcore._dmabuf cimport DmaBuf, Memory, memory_begin, memory_end, memory_map
from zcore._drm cimport Card
from zcore._fd cimport Fd
from zcore._frame cimport Frame, frame_from_slot
from zcore._gem cimport Framebuffer
from zcore._holders cimport holder_id
from zcore._ioctl cimport ACCESS_READ, ACCESS_RW, ACCESS_WRITE
from zcore._kms cimport Scanout
from zcore._pool cimport HOLDER_PYTHON, Core, Meta, Plane, Pool, Slot, core_take, slot_drop, slot_hold
from zcore._v4l2 cimport Queue
from zcore._v4l2_device cimport V4l2Device

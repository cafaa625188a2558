"""Run zcore on the kernel's own V4L2, DRM and DMA-BUF drivers, in a virtual machine without hardware."""

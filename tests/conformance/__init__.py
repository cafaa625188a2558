"""What zcore does of what the kernel has, and which test proves it."""

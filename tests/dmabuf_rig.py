"""What the tests of dmabuf share."""

READ, WRITE, RW = 1, 2, 3

"""Read the headers of coded streams, one module per codec: what a stateless decoder must be told of each picture."""

from zcore.bitstream.picture import BitstreamError, Parser, Picture

__all__ = ["BitstreamError", "Parser", "Picture"]

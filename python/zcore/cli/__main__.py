"""``python -m zcore.cli``: the command without an installed script."""

import sys

from zcore.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""``python -m zcore.cli``: the command without an installed script."""

import sys

from zcore.cli import main

sys.exit(main())

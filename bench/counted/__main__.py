"""``python -m bench.counted``, inside the testbed."""

import sys

from bench.counted.run import main

sys.exit(main())

"""``zcore memory``: which DMA-BUFs there are, and who holds them."""

from __future__ import annotations

import argparse
import json
from typing import Any

from zcore.accounting import memory
from zcore.allocators import ranked_heaps


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "memory", help="list the buffers of the machine, and who holds them",
        description="List the DMA-BUFs of this machine with their names and holders, and the allocators. Root sees all"
        " of them where debugfs is mounted; others see those of their own processes.",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="as JSON, on standard output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List them."""
    found = memory()
    if options.json:
        print(json.dumps(found.to_dict() | {"heaps": [str(heap) for heap in ranked_heaps()]}, indent=2))
        return 0
    print(found)
    print(f"heaps: {', '.join(map(str, ranked_heaps())) or 'none'}")
    return 0

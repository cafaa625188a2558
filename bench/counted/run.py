"""Count what a frame costs: instructions, system calls, allocations; zcore beside a loop written by hand in C.

Runs inside the testbed, where the guest's clock counts instructions (``--icount``): a nanosecond of processor time is
one instruction. Each count comes from a run with few frames and one with many, divided by the difference in frames, so
that start and end cancel out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed import drivers

HERE = Path(__file__).resolve().parent
HEADERS = HERE.parents[1] / "src/zcore/uapi"
FLOOR = "C loop"
# So slow that one frame is stepped through before the next one comes: else no program would ever wait for one.
STEPPING_RATE, STEPPING_SKIP, STEPPING_FRAMES = 1, 20, 10


@dataclass
class Cost:
    """Per frame."""

    instructions: float
    user: float
    syscalls: float
    by_syscall: dict[str, float]
    allocations: float

    @property
    def kernel(self):
        return self.instructions - self.user


@dataclass
class Setup:
    """What all programs are run with."""

    build: Path
    camera: str
    card: str
    few: int
    many: int
    rate: int
    buffers: int


def main(argv=None):
    """Measure and print; a program that did not show every frame ends it all."""
    parser = argparse.ArgumentParser(prog="python -m bench.counted", description=__doc__)
    parser.add_argument(
        "--few", type=int, default=100, metavar="N", help="frames of the short run (default: %(default)s)"
    )
    parser.add_argument(
        "--many", type=int, default=2100, metavar="N", help="frames of the long run (default: %(default)s)"
    )
    parser.add_argument("--rate", type=int, default=30, help="frames per second of the camera (default: %(default)s)")
    parser.add_argument("--buffers", type=int, default=6, help="buffers of the camera (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")
    parser.add_argument("--only", action="append", metavar="PROGRAM", help="leave the other programs out")
    options = parser.parse_args(argv)
    if reason := drivers.why_not():
        print(f"bench.counted: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name, drivers.vivid() as camera, drivers.vkms() as display:
        numbers = (options.few, options.many, options.rate, options.buffers)
        setup = Setup(Path(name), camera.one("capture").path, display.one("display").path, *numbers)
        loop, steps = (compile_c(name, setup.build, f"-I{HEADERS}") for name in ("c_loop", "count_steps"))
        shim = compile_c("count_allocations", setup.build, "-shared", "-fPIC")
        python = [sys.executable, "-m", "bench.counted.programs"]
        programs = {FLOOR: [loop], "zcore chain": [*python, "chain"], "zcore, a Python loop": [*python, "loop"]}
        costs = {}
        for program, command in programs.items():
            if not options.only or program in options.only:
                print(f"counting: {program}", file=sys.stderr, flush=True)
                costs[program] = measure(command, setup, steps, shim)
    report(costs)
    if options.json:
        options.json.write_text(json.dumps(as_json(costs, options), indent=2) + "\n")
    return 0


def as_json(costs, options):
    """Give the numbers and what they hang on."""
    settings = {"few": options.few, "many": options.many, "rate": options.rate, "buffers": options.buffers}
    content = {name: {**asdict(cost), "kernel": cost.kernel} for name, cost in costs.items()}
    return {"kernel": os.uname().release, "python": sys.version.split()[0], "settings": settings, "per frame": content}


def compile_c(name, build, *flags):
    """Compile a C file that lies beside this one."""
    target = build / name
    command = ["gcc", "-O2", "-Wall", "-Wextra", *flags, "-o", str(target), str(HERE / f"{name}.c")]
    subprocess.run(command, check=True)
    return str(target)


def measure(command, setup, steps, shim):
    """Run a program once for each kind of count."""

    def line(rate, *frames):
        return [*command, setup.camera, setup.card, *map(str, (rate, setup.buffers, *frames))]

    few, many, frames = setup.few, setup.many, setup.many - setup.few
    # Three runs in one process: in the first one memory is touched and code is loaded for the first time.
    _, short, long = map(int, run(line(setup.rate, few, few, many)).split())
    stepped = STEPPING_SKIP + STEPPING_FRAMES + 10
    user = float(run([steps, str(STEPPING_SKIP), str(STEPPING_FRAMES), *line(STEPPING_RATE, stepped)]))
    short_calls, long_calls = (system_calls(line(setup.rate, n), setup.build) for n in (few, many))
    names = sorted(long_calls, key=lambda name: short_calls.get(name, 0) - long_calls[name])
    by_syscall = {name: (long_calls[name] - short_calls.get(name, 0)) / frames for name in names}
    short_allocations, long_allocations = (allocations(line(setup.rate, n), shim, setup.build) for n in (few, many))
    return Cost(
        instructions=(long - short) / frames,
        user=user,
        syscalls=sum(by_syscall.values()),
        by_syscall={name: count for name, count in by_syscall.items() if abs(count) >= 0.005},
        allocations=(long_allocations - short_allocations) / frames,
    )


def run(command, **env):
    """Run a command to its end; what it prints."""
    env = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", **env}
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, check=False)
    if process.returncode:
        raise SystemExit(f"status {process.returncode} from {' '.join(command)}")
    return process.stdout


def system_calls(command, build):
    """Count the calls of a run by name."""
    output = build / "strace"
    run(["strace", "-f", "-c", "-o", str(output), *command])
    counts = {}
    for line in output.read_text().splitlines():
        words = line.split()  # % time, seconds, usecs/call, calls, errors or nothing, name
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            counts[words[-1]] = int(words[3])
    return counts


def allocations(command, shim, build):
    """Count the calls that allocate; every Python object is among them, but for those from freelists."""
    output = build / "allocations"
    run(command, LD_PRELOAD=shim, PYTHONMALLOC="malloc", ZCORE_BENCH_ALLOCATIONS=str(output))
    return int(output.read_text())


def report(costs):
    """Print the tables."""
    head = ("instructions", "user", "kernel", "syscalls", "allocations")
    print(f"{'per frame':22}" + "".join(f"{word:>14}" for word in head))
    for name, cost in costs.items():
        numbers = f"{cost.instructions:14.0f}{cost.user:14.0f}{cost.kernel:14.0f}"
        print(f"{name:22}{numbers}{cost.syscalls:14.2f}{cost.allocations:14.2f}")
    if floor := costs.get(FLOOR):
        print(f"{'ratio to ' + FLOOR:22}")
        for name, cost in costs.items():
            ratios = (cost.instructions / floor.instructions, cost.user / floor.user, cost.kernel / floor.kernel)
            print(
                f"{name:22}" + "".join(f"{ratio:14.3f}" for ratio in ratios) + f"{cost.syscalls / floor.syscalls:14.2f}"
            )
    for name, cost in costs.items():
        print(f"{name}: {', '.join(f'{call} {count:.2f}' for call, count in cost.by_syscall.items())}")

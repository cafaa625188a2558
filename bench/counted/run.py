"""Count what a frame costs: instructions, system calls, allocations; zcore beside a loop written by hand in C.

Runs inside the testbed, where the guest's clock counts instructions (``--icount``). Each program runs twice, with
few and with many frames, and the difference is divided by the difference in frames: start and end cancel out.
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


@dataclass
class Cost:
    """Per frame. Under ``--icount`` a nanosecond of processor time is an instruction."""

    user: float
    kernel: float
    syscalls: float
    by_syscall: dict[str, float]
    allocations: float


def main(argv=None):
    """Measure and print; the status says whether every program showed every frame."""
    parser = argparse.ArgumentParser(prog="python -m bench.counted", description=__doc__)
    parser.add_argument("--few", type=int, default=100, metavar="N", help="frames of the short run (default: %(default)s)")
    parser.add_argument("--many", type=int, default=2100, metavar="N", help="frames of the long run (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=30, help="frames per second of the camera (default: %(default)s)")
    parser.add_argument("--buffers", type=int, default=6, help="buffers of the camera (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as well")
    parser.add_argument("--only", action="append", metavar="PROGRAM", help="leave the other programs out")
    options = parser.parse_args(argv)
    if reason := drivers.why_not():
        print(f"bench.counted: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name, drivers.vivid() as camera, drivers.vkms() as display:
        build = Path(name)
        programs = commands(build, camera.one("capture").path, display.one("display").path, options)
        shim = compile_c("count_allocations", build, "-shared", "-fPIC")
        costs = {}
        for program, command in programs.items():
            if not options.only or program in options.only:
                print(f"{program} ...", file=sys.stderr, flush=True)
                costs[program] = measure(command, options.few, options.many, shim, build)
    report(costs)
    if options.json:
        content = {name: asdict(cost) for name, cost in costs.items()}
        settings = {"few": options.few, "many": options.many, "rate": options.rate, "buffers": options.buffers}
        kernel = os.uname().release
        options.json.write_text(json.dumps({"kernel": kernel, "settings": settings, "per frame": content}, indent=2))
    return 0


def commands(build, camera, card, options):
    """Name the programs; each is a function from a number of frames to a command."""
    loop = compile_c("c_loop", build, f"-I{HEADERS}")
    rest = [str(options.rate), str(options.buffers)]
    python = [sys.executable, "-m", "bench.counted.programs"]
    return {
        FLOOR: lambda frames: [str(loop), camera, card, str(frames), *rest],
        "zcore chain": lambda frames: [*python, "chain", camera, card, str(frames), *rest],
        "zcore, a Python loop": lambda frames: [*python, "loop", camera, card, str(frames), *rest],
    }


def compile_c(name, build, *flags):
    """Compile a C file that lies beside this one."""
    target = build / name
    command = ["gcc", "-O2", "-Wall", "-Wextra", *flags, "-o", str(target), str(HERE / f"{name}.c")]
    subprocess.run(command, check=True)
    return target


def measure(command, few, many, shim, build):
    """Run a program with few and with many frames, each time for one kind of count, and divide the differences."""
    frames = many - few
    short, long = processor_time(command(few)), processor_time(command(many))
    short_calls, long_calls = system_calls(command(few), build), system_calls(command(many), build)
    names = sorted(long_calls, key=lambda name: short_calls.get(name, 0) - long_calls[name])
    by_syscall = {name: (long_calls[name] - short_calls.get(name, 0)) / frames for name in names}
    allocated = allocations(command(many), shim, build) - allocations(command(few), shim, build)
    return Cost(
        user=(long[0] - short[0]) / frames,
        kernel=(long[1] - short[1]) / frames,
        syscalls=sum(by_syscall.values()),
        by_syscall={name: count for name, count in by_syscall.items() if abs(count) >= 0.005},
        allocations=allocated / frames,
    )


def run(command, **options):
    """Run a command to its end; its processor time, in ns: ``(user, kernel)``."""
    env = {**os.environ, "PYTHONHASHSEED": "0", **options.pop("env", {})}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"status {process.returncode} from {' '.join(command)}")
    return usage.ru_utime * 1e9, usage.ru_stime * 1e9


def processor_time(command):
    """Run with nothing in the way."""
    return run(command)


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
    """Count the calls that allocate; every Python object is among them."""
    output = build / "allocations"
    run(command, env={"LD_PRELOAD": str(shim), "PYTHONMALLOC": "malloc", "ZCORE_BENCH_ALLOCATIONS": str(output)})
    return int(output.read_text())


def report(costs):
    """Print the table."""
    floor = costs.get(FLOOR)
    print(f"{'per frame':24}{'user':>10}{'kernel':>10}{'syscalls':>10}{'allocations':>13}{'user/C':>9}{'kernel/C':>10}")
    for name, cost in costs.items():
        line = f"{name:24}{cost.user:10.0f}{cost.kernel:10.0f}{cost.syscalls:10.2f}{cost.allocations:13.2f}"
        if floor:
            line += f"{cost.user / floor.user:9.2f}{cost.kernel / floor.kernel:10.3f}"
        print(line)
    for name, cost in costs.items():
        print(f"{name}: {', '.join(f'{call} {count:.2f}' for call, count in cost.by_syscall.items())}")

"""The testbed's own machinery, as far as it goes without booting: a stub takes the place of virtme-ng."""

import io
import os
import sys
import time
from pathlib import Path

import pytest

from testbed import debugfs, drivers, guest, kernel, kvm, vm

# Runs the guest's script on this machine, as vng would in the guest.
RUNS_SCRIPT = '#!/bin/bash\nexec bash -c "${@: -1}"\n'


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Install a stub vng; return a function that sets its script."""
    stub = tmp_path / "bin" / "vng"
    stub.parent.mkdir()
    monkeypatch.setenv("ZCORE_TESTBED_KVM", "0")
    monkeypatch.setattr(kernel, "build", lambda series: tmp_path)
    monkeypatch.setattr(vm, "find_vng", lambda: stub)
    monkeypatch.setattr(vm, "_REPORT_GRACE", 0.2)
    monkeypatch.chdir(tmp_path)
    kvm.works.cache_clear()

    def install(script):
        stub.write_text(script)
        stub.chmod(0o755)

    yield install
    kvm.works.cache_clear()


def is_running(pid):
    """A zombie that nobody has waited for yet is not running."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_kernel_directory_follows_fragment_and_version(tmp_path, monkeypatch):
    fragment = tmp_path / "kernel.config"
    fragment.write_text("CONFIG_A=y\n")
    version = ["6.12.1-1~deb12u1"]
    monkeypatch.setenv("ZCORE_TESTBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kernel, "FRAGMENT", fragment)
    monkeypatch.setattr(kernel, "source_package", lambda series: (tmp_path / "source.tar.xz", version[0]))
    first = kernel.kernel_directory()
    assert first == kernel.kernel_directory()
    assert first.parent == tmp_path / "cache"
    fragment.write_text("CONFIG_A=m\n")
    second = kernel.kernel_directory()
    version[0] = "6.12.2-1"
    assert len({first, second, kernel.kernel_directory()}) == 3


def test_kernel_that_dropped_an_option_is_refused(tmp_path, monkeypatch):
    fragment = tmp_path / "kernel.config"
    fragment.write_text("# words\nCONFIG_KEPT=y\nCONFIG_BUILTIN=m\nCONFIG_LOST=m\n")
    monkeypatch.setattr(kernel, "FRAGMENT", fragment)
    (tmp_path / ".config").write_text("CONFIG_KEPT=y\nCONFIG_BUILTIN=y\n# CONFIG_LOST is not set\n")
    with pytest.raises(kernel.KernelError, match=r"dropped CONFIG_LOST=m$"):
        kernel._check_fragment(tmp_path)


@pytest.mark.parametrize("status", [0, 3])
def test_run_gives_status_and_output_back(machine, status):
    machine(RUNS_SCRIPT)
    stream = io.StringIO()
    result = vm.run(f"echo to stdout; echo to stderr >&2; exit {status}", timeout=30, stream=stream)
    assert result.returncode == status
    assert result.output == "to stdout\nto stderr\n"
    assert stream.getvalue() == result.output


def test_run_quotes_a_list_and_keeps_the_directory(machine, tmp_path):
    machine(RUNS_SCRIPT)
    result = vm.run(["sh", "-c", 'echo "$1|$ZCORE_TESTBED|$X"; pwd', "sh", "a  'b' $c"], timeout=30, env={"X": "y z"})
    assert result.output == f"a  'b' $c|1|y z\n{tmp_path}\n"


def test_run_streams_while_the_command_runs(machine, tmp_path):
    machine(RUNS_SCRIPT)

    class Stream(io.StringIO):
        def write(self, text):
            if "first" in text:
                (tmp_path / "seen").touch()  # the command waits for this: only a live stream lets it end
            return super().write(text)

    result = vm.run("echo first; until [ -e seen ]; do sleep 0.05; done; echo last", timeout=30, stream=Stream())
    assert result.output == "first\nlast\n"


def test_run_kills_a_hang_with_everything_below_it(machine, tmp_path):
    machine(f"#!/bin/bash\necho from the console\nsleep 300 & echo $! > {tmp_path}/pid\n{RUNS_SCRIPT}")
    before = time.monotonic()
    with pytest.raises(vm.VmTimeoutError) as caught:
        vm.run("echo last words; sleep 300", timeout=1.5, stream=io.StringIO())
    assert time.monotonic() - before < 20
    for part in ("'echo last words; sleep 300'", "timeout of 1.5 s", "\nlast words", "from the console"):
        assert part in str(caught.value)
    deadline = time.monotonic() + 5
    child = int((tmp_path / "pid").read_text())
    while is_running(child):
        assert time.monotonic() < deadline, "the machine outlived its timeout"
        time.sleep(0.02)


def test_run_reports_a_panic_with_the_console(machine):
    machine("#!/bin/bash\necho 'Kernel panic - not syncing: sysrq'\nexit 255\n")
    with pytest.raises(vm.VmError, match=r"(?s)kernel panicked while running 'true'.*not syncing: sysrq"):
        vm.run("true", timeout=30)


def test_run_survives_a_machine_that_does_not_power_off(machine, monkeypatch):
    monkeypatch.setattr(vm, "_POWEROFF_GRACE", 0.3)
    machine('#!/bin/bash\nbash -c "${@: -1}"\nsleep 300\n')
    assert vm.run("exit 7", timeout=30).returncode == 7


def test_failed_driver_is_the_status(machine, tmp_path, monkeypatch):
    machine(RUNS_SCRIPT)
    fake = tmp_path / "tools"
    fake.mkdir()
    (fake / "modprobe").write_text('#!/bin/sh\necho "no driver: $*"\nexit 1\n')
    (fake / "modprobe").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    result = vm.run("echo never", timeout=30, modules=["vivid n_devs=1"])
    assert (result.returncode, result.output) == (125, "no driver: vivid n_devs=1\n")


def test_command_line_counts_instructions_on_one_cpu(machine, tmp_path):
    common = {"cwd": tmp_path, "job": Path("/tmp/job"), "cpus": 4, "memory": "1G"}
    timed = vm.vng_command(Path("vng"), tmp_path, Path("/tmp/job/run"), icount=False, **common)
    counted = vm.vng_command(Path("vng"), tmp_path, Path("/tmp/job/run"), icount=True, **common)
    assert timed[timed.index("--cpus") + 1] == "4"
    assert not any("icount" in word for word in timed)
    assert counted[counted.index("--cpus") + 1] == "1"
    assert "--qemu-opts=-icount shift=0,sleep=off" in counted
    assert f"--rwdir={tmp_path}" in timed
    assert "--rwdir=/tmp/job" in timed


@pytest.mark.parametrize(("answer", "disabled"), [("0", True), ("1", False)])
def test_environment_decides_about_kvm(machine, tmp_path, monkeypatch, answer, disabled):
    monkeypatch.setenv("ZCORE_TESTBED_KVM", answer)
    common = {"cwd": tmp_path, "job": tmp_path, "cpus": 2, "memory": "1G"}
    argv = vm.vng_command(Path("vng"), tmp_path, Path("run"), icount=False, **common)
    assert ("--disable-kvm" in argv) is disabled
    # an emulator counts instructions, a processor does not
    assert "--disable-kvm" in vm.vng_command(Path("vng"), tmp_path, Path("run"), icount=True, **common)


def test_path_that_virtme_cannot_quote_is_refused(machine):
    common = {"job": Path("/tmp/job"), "icount": False, "cpus": 2, "memory": "1G"}
    with pytest.raises(vm.VmError, match="'/home/a b'"):
        vm.vng_command(Path("vng"), Path("/kernel"), Path("run"), cwd=Path("/home/a b"), **common)


def test_vng_beside_the_interpreter_wins(tmp_path, monkeypatch):
    for place in ("venv", "path"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "vng").write_text("#!/bin/sh\n")
        (tmp_path / place / "vng").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    assert vm.find_vng() == tmp_path / "venv" / "vng"
    (tmp_path / "venv" / "vng").unlink()
    assert vm.find_vng() == tmp_path / "path" / "vng"
    monkeypatch.setenv("PATH", str(tmp_path / "venv"))
    with pytest.raises(vm.VmError, match="vng not found"):
        vm.find_vng()


def test_environment_hands_over_only_what_is_named():
    given = {"PATH": "/venv/bin", "PYTHONHASHSEED": "1", "ZCORE_DEBUG": "3", "SECRET_TOKEN": "x", "HOME": "/home/me"}
    passed = guest.passed_environment(given)
    assert passed.pop("PATH").split(":")[0] == "/venv/bin"
    assert passed == {"PYTHONHASHSEED": "1", "ZCORE_DEBUG": "3"}


DMESG = """\
[    0.730153] PCI: Using host bridge windows from ACPI; if necessary, use "pci=nocrs" and report a bug
[    1.000000] vivid-000: V4L2 capture device registered as video0
[   12.345678] WARNING: CPU: 1 PID: 77 at drivers/media/common/videobuf2/videobuf2-core.c:1771 vb2_start_streaming+0xe1
[   13.000001] BUG: kernel NULL pointer dereference, address: 0000000000000000
[   13.000002] Oops: Oops: 0000 [#1] SMP
[   14.000000] INFO: task python:81 blocked for more than 120 seconds.
[   15.000000] BUG: KASAN: slab-use-after-free in vkms_atomic_commit_tail+0x12/0x30
"""


def test_kernel_complaints_are_told_apart():
    oopses, warnings = guest.kernel_complaints(DMESG)
    assert warnings == (
        "WARNING: CPU: 1 PID: 77 at drivers/media/common/videobuf2/videobuf2-core.c:1771 vb2_start_streaming+0xe1",
    )
    assert [line.split()[0] for line in oopses] == ["BUG:", "Oops:", "INFO:", "BUG:"]
    assert guest.kernel_complaints("[    1.0] all is well\n") == ((), ())


# Taken from Linux 6.12: a udmabuf that vkms imported, and a dumb buffer that was exported.
BUFINFO = """\

Dma-buf Objects:
size    \tflags   \tmode    \tcount   \texp_name\tino     \tname
01228800\t00000002\t00080007\t00000003\tdrm\t00000001\t<none>
\tAttached Devices:
Total 0 devices attached

00614400\t00080002\t02080007\t00000002\tudmabuf\t00000007\ta name
\tAttached Devices:
\tvkms
Total 1 devices attached


Total 2 objects, 1843200 bytes
"""


def test_bufinfo_tells_sizes_names_and_devices():
    found = debugfs.parse_bufinfo(BUFINFO)
    assert (found.count, found.bytes) == (2, 1843200)
    assert found.buffers[0] == debugfs.Buffer(1228800, 3, "drm", 1, "<none>")
    assert found.buffers[1] == debugfs.Buffer(614400, 2, "udmabuf", 7, "a name", ("vkms",))
    assert debugfs.parse_bufinfo("\nDma-buf Objects:\n\nTotal 0 objects, 0 bytes\n").count == 0


def test_framebuffers_are_numbered():
    text = "framebuffer[71]:\n\tallocated by = [fbcon]\n\trefcount=1\nframebuffer[80]:\n\trefcount=2\n"
    assert debugfs.parse_framebuffers(text) == [71, 80]


@pytest.mark.parametrize(
    ("wanted", "granted", "agree"),
    [
        ("1", "Y", True),
        ("0", "Y", False),
        ("0x1,0x1", "1,1,924989,924989", True),
        ("0x101", "1,924989", False),
        ("2", "", True),  # a parameter that sysfs does not show
        ("abc", "abd", False),
    ],
)
def test_parameters_compare_as_sysfs_writes_them(wanted, granted, agree):
    assert drivers._agrees(wanted, granted) is agree


def test_kinds_of_real_nodes_are_told_apart():
    caps = {
        0x05230001: "capture",  # vivid, single-planar
        0x05231000: "capture",  # vivid, multi-planar
        0x05220002: "output",
        0x04208000: "m2m",
        0x04204000: "m2m",
        0x05A30000: "meta",
        0x0D220000: "meta",
        0x15200001: "touch",
        0x05310000: "sdr",
        0x05230050: "vbi",
        0x01250500: "radio",
    }
    assert {value: drivers.kind_of(value) for value in caps} == caps


def test_missing_node_is_named_with_what_there_is():
    nodes = drivers.Nodes([drivers.Node("/dev/video0", "vivid-000-vid-cap", "vivid", "capture", 0x05231000)])
    assert nodes.one("capture").multiplanar
    with pytest.raises(drivers.DriverError, match=r"no node of kind 'm2m'.*/dev/video0 \(capture"):
        nodes.one("m2m")


def test_drivers_of_a_developers_machine_are_left_alone(monkeypatch):
    monkeypatch.delenv("ZCORE_TESTBED", raising=False)
    assert not drivers.available()
    assert "testbed" in drivers.why_not()

"""Compare every structure, request and constant that zcore declares itself with the kernel's own headers.

The headers under ``src/zcore/uapi`` are read as text, so nothing that is added there can be forgotten here. What an
installed header is too old to know is named in the test's output (``pytest -rP``), and nothing else is excused.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from zcore.bitstream import hevc, hevc_dpb, hevc_pps, hevc_scaling, hevc_sps, hevc_weights

UAPI = Path(__file__).resolve().parent.parent / "src" / "zcore" / "uapi"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
DRM_DIRECTORIES = ("libdrm", "drm")  # libdrm-dev's place, and the kernel headers' own

# Structures whose end the kernel has extended since, and zcore has no use for what was added.
GROWN = {"zc_drm_syncobj_handle"}
# Ours alone: a type or number that has no name, or no header, in the kernel.
NAMELESS = {"zc_hdr_chromaticity", "ZC_V4L2_MAX_NUM_BUFFERS_OFFSET"}
HEADERLESS = ("zc_sw_sync", "ZC_SW_SYNC")
# What an installed header may not know yet, and since when it does. Any other unknown name is a misspelt one.
NEWER = {
    "struct dma_buf_export_sync_file", "struct dma_buf_import_sync_file",  # Linux 6.0
    "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", "DMA_BUF_IOCTL_IMPORT_SYNC_FILE",
    "struct sync_set_deadline", "SYNC_IOC_SET_DEADLINE",  # 6.6
    "drm_syncobj_wait.deadline_nsec", "drm_syncobj_timeline_wait.deadline_nsec",  # 6.6
    "DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE", "struct drm_syncobj_eventfd", "DRM_IOCTL_SYNCOBJ_EVENTFD",  # 6.6
    "struct drm_mode_closefb", "DRM_IOCTL_MODE_CLOSEFB", "DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP",  # 6.8
    "DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT",  # 6.8
    "struct v4l2_remove_buffers",  # 6.10
    "struct v4l2_ctrl_fwht_params", "V4L2_CID_STATELESS_FWHT_PARAMS",  # 5.12
    "V4L2_FWHT_VERSION", "V4L2_FWHT_FL_I_FRAME",  # 5.12
    # libdrm's own, in xf86drmMode.h
    "DRM_PLANE_TYPE_OVERLAY", "DRM_PLANE_TYPE_PRIMARY", "DRM_PLANE_TYPE_CURSOR",
    "DRM_MODE_CONNECTED", "DRM_MODE_DISCONNECTED", "DRM_MODE_UNKNOWNCONNECTION",
}  # fmt: skip

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler to read the kernel headers with")


@dataclass(frozen=True)
class Struct:
    kind: str  # "struct" or "union"
    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    structs: tuple[Struct, ...]
    constants: tuple[str, ...]


def parse(*names: str) -> Header:
    text = "\n".join((UAPI / name).read_text() for name in names)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    structs = []
    for kind, name, body in re.findall(r"^(struct|union) (\w+) *\{(.*?)^\}", text, flags=re.S | re.M):
        fields = []
        for statement in filter(None, (part.strip() for part in body.split(";"))):
            for field in statement.split(","):
                found = re.search(r"(\w+)\s*(\[\w*\])?$", field.strip())
                assert found, f"cannot read the field {field!r} of {name}"
                fields.append(found[1])
        structs.append(Struct(kind, name, tuple(fields)))
    constants = re.findall(r"^#define (ZC_\w+)[ \t]+\S", text, flags=re.M)  # function-like macros have no blank there
    return Header(tuple(structs), tuple(constants))


def real_name(name: str) -> str:
    if name.startswith("ZC_DRM_VBLANK_"):
        return "_" + name.removeprefix("ZC_")
    return name.removeprefix("zc_").removeprefix("ZC_")


def compile_c(source: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(COMPILER), "-std=gnu11", "-fno-diagnostics-color", f"-I{UAPI.parent}", *arguments, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def has_headers(tmp_path: Path, includes: list[str], flags: list[str]) -> bool:
    source = tmp_path / "exists.c"
    source.write_text("".join(f"#include <{include}>\n" for include in includes))
    return compile_c(source, *flags, "-fsyntax-only").returncode == 0


def evaluate(tmp_path: Path, includes: list[str], flags: list[str], expressions: list[str]) -> dict[str, int]:
    """Compute C expressions; those that the headers cannot express are left out of the result."""
    head = [f"#include {include}" for include in (*includes, "<stddef.h>", "<stdio.h>", "<fcntl.h>")]
    alive = list(enumerate(expressions))
    source = tmp_path / "probe.c"
    for _ in range(20):  # one round finds what does not compile; clang names 20 errors a round
        lines = [f"static unsigned long long f{i}(void) {{ return (unsigned long long)({e}); }}" for i, e in alive]
        calls = [f'printf("{i} %llu\\n", f{i}());' for i, _ in alive]
        source.write_text("\n".join([*head, *lines, "int main(void) {", *calls, "return 0; }"]) + "\n")
        result = compile_c(source, *flags, "-w", "-o", str(tmp_path / "probe"))
        if result.returncode == 0:
            break
        bad = {int(n) - len(head) - 1 for n in re.findall(r"probe\.c:(\d+):\d+: error", result.stderr)}
        assert bad, result.stderr
        assert all(0 <= n < len(lines) for n in bad), result.stderr
        alive = [item for n, item in enumerate(alive) if n not in bad]
    else:
        raise AssertionError(result.stderr)
    output = subprocess.run([str(tmp_path / "probe")], capture_output=True, text=True, check=True).stdout
    return {expressions[int(i)]: int(value) for i, value in (line.split() for line in output.splitlines())}


def struct_expressions(kind: str, name: str, field: str | None = None) -> list[str]:
    if field is None:
        return [f"sizeof({kind} {name})"]
    size = f"sizeof((({kind} {name} *)0)->{field})"
    if (name, field) in {("zc_udmabuf_create_list", "list"), ("udmabuf_create_list", "list")}:
        size = size[:-1] + "[0])"  # a flexible array has no size
    return [f"offsetof({kind} {name}, {field})", size]


def compare(tmp_path: Path, ours: Header, our_include: str, real_includes: list[str], flags: list[str]) -> None:
    """Fail on any difference; print the names that the real headers do not know."""
    structs = [s for s in ours.structs if s.name not in NAMELESS and not s.name.startswith(HEADERLESS)]
    constants = [c for c in ours.constants if c not in NAMELESS and not c.startswith(HEADERLESS)]
    our_side: list[str] = list(constants)
    real_side: list[str] = [real_name(c) for c in constants]
    for struct in structs:
        for field in (None, *struct.fields):
            our_side += struct_expressions(struct.kind, struct.name, field)
            real_side += struct_expressions(struct.kind, real_name(struct.name), field)
    mine = evaluate(tmp_path, [f'"{our_include}"'], [], our_side)
    assert [e for e in our_side if e not in mine] == [], "our own header does not compile"
    # Both in one program: the headers must be able to meet.
    both = [f'"{our_include}"', *(f"<{include}>" for include in real_includes)]
    real = evaluate(tmp_path, both, flags, real_side)

    unknown: list[str] = []
    wrong: list[str] = []
    extended: set[str] = set()  # expressions "sizeof(struct x)" whose two sides may differ, and why is known
    for struct in structs:
        name = real_name(struct.name)
        (our_size,), (real_size,) = (struct_expressions(struct.kind, n) for n in (struct.name, name))
        if real_size not in real:
            unknown.append(f"{struct.kind} {name}")
            continue
        for field in struct.fields:
            pair = zip(
                struct_expressions(struct.kind, struct.name, field),
                struct_expressions(struct.kind, name, field),
                strict=True,
            )
            for our_expression, real_expression in pair:
                if real_expression not in real:
                    # A newer field must lie behind all that the older header knows.
                    if mine[struct_expressions(struct.kind, struct.name, field)[0]] < real[real_size]:
                        wrong.append(f"{name}.{field}: not in the real header, and not behind its end")
                    unknown.append(f"{name}.{field}")
                    extended.add(real_size)
                    break
                if mine[our_expression] != real[real_expression]:
                    wrong.append(f"{real_expression}: ours {mine[our_expression]}, real {real[real_expression]}")
        if struct.name in GROWN and real[real_size] > mine[our_size]:
            extended.add(real_size)
        if real_size not in extended and mine[our_size] != real[real_size]:
            wrong.append(f"{real_size}: ours {mine[our_size]}, real {real[real_size]}")

    resized = {e: (mine[e.replace(" ", " zc_", 1)], real[e]) for e in extended}
    for constant in constants:
        name = real_name(constant)
        if name not in real:
            unknown.append(name)
        elif mine[constant] != real[name]:
            ours_size, real_size = (value >> 16 & 0x3FFF for value in (mine[constant], real[name]))
            request = mine[constant] & ~(0x3FFF << 16) == real[name] & ~(0x3FFF << 16)
            if not ("IOC" in constant and request and (ours_size, real_size) in resized.values()):
                wrong.append(f"{name}: ours {mine[constant]:#x}, real {real[name]:#x}")
    assert wrong == []
    print(f"{our_include}: compared {len(structs)} structures and {len(constants)} constants with {real_includes}")
    print("not known to the installed headers:", ", ".join(unknown) or "nothing")
    assert set(unknown) <= NEWER


def test_parser_finds_every_declaration():
    drm = parse("zc_drm.h", "zc_drm_mode.h")
    names = [s.name for s in drm.structs]
    assert len(names) == len(set(names)) > 50
    assert drm.structs[names.index("zc_drm_mode_set_plane")].fields[-4:] == ("src_x", "src_y", "src_h", "src_w")
    assert drm.structs[names.index("zc_drm_version")].fields[3:5] == ("name_len", "name")
    text = (UAPI / "zc_drm.h").read_text() + (UAPI / "zc_drm_mode.h").read_text()
    assert len(names) == len(re.findall(r"^ZC_ASSERT_SIZE\(", text, flags=re.M)), "a structure without its size assert"
    assert {"ZC_DRM_IOCTL_MODE_ATOMIC", "ZC_DRM_CAP_PRIME", "ZC_DRM_FORMAT_MOD_INVALID"} <= set(drm.constants)
    assert not {"ZC_DRM_IOWR", "ZC_ASSERT_SIZE"} & set(drm.constants)


def test_drm_headers_agree_with_libdrm(tmp_path):
    ours = parse("zc_drm.h", "zc_drm_mode.h")
    for directory in DRM_DIRECTORIES:
        includes, flags = [f"{directory}/drm.h", f"{directory}/drm_mode.h", f"{directory}/drm_fourcc.h"], []
        if directory == "libdrm":
            flags = [f"-I{path}" for path in ("/usr/include/libdrm", "/usr/local/include/libdrm")]
            includes = ["drm.h", "drm_mode.h", "drm_fourcc.h"]
        if has_headers(tmp_path, includes, flags):
            break
    else:
        pytest.skip("neither libdrm's headers nor <drm/drm.h> are installed")
    if has_headers(tmp_path, ["xf86drmMode.h"], flags):  # plane types and connection states are libdrm's words
        includes.append("xf86drmMode.h")
    compare(tmp_path, ours, "uapi/zc_drm.h", includes, flags)


@pytest.mark.parametrize(
    ("prefix", "include"),
    [
        ("dma_buf", "linux/dma-buf.h"),
        ("dma_heap", "linux/dma-heap.h"),
        ("udmabuf", "linux/udmabuf.h"),
        ("sync", "linux/sync_file.h"),
    ],
)
def test_dmabuf_header_agrees_with_the_kernels(tmp_path, prefix, include):
    if not has_headers(tmp_path, [include], []):
        pytest.skip(f"<{include}> is not installed")
    whole = parse("zc_dmabuf.h")
    ours = Header(
        tuple(s for s in whole.structs if s.name.startswith(f"zc_{prefix}")),
        tuple(c for c in whole.constants if c.startswith(f"ZC_{prefix.upper()}")),
    )
    assert ours.structs
    assert ours.constants
    compare(tmp_path, ours, "uapi/zc_dmabuf.h", [include], [])


def test_dmabuf_header_has_no_declaration_that_no_test_compares():
    whole = parse("zc_dmabuf.h")
    prefixes = ("zc_dma_buf", "zc_dma_heap", "zc_udmabuf", "zc_sync", "zc_sw_sync")
    names = [*(s.name for s in whole.structs), *(c.lower() for c in whole.constants)]
    assert [name for name in names if not name.startswith(prefixes)] == []


@pytest.mark.proves("T30")
def test_videodev2_fallbacks_agree_with_the_kernels(tmp_path):
    if not has_headers(tmp_path, ["linux/videodev2.h"], []):
        pytest.skip("<linux/videodev2.h> is not installed")
    compare(tmp_path, parse("zc_videodev2.h"), "uapi/zc_videodev2.h", ["linux/videodev2.h"], [])
    text = (UAPI / "zc_videodev2.h").read_text()
    fallbacks = dict(re.findall(r"^#define (V4L2_\w+) (.+)$", text, flags=re.M))
    assert len(fallbacks) > 15
    real = evaluate(tmp_path, ["<linux/videodev2.h>"], [], list(fallbacks))
    ours = evaluate(tmp_path, ["<linux/videodev2.h>"], [], list(fallbacks.values()))
    assert {name: real[name] for name in real} == {name: ours[fallbacks[name]] for name in real}
    print("not known to the installed header:", ", ".join(n for n in fallbacks if n not in real) or "nothing")


@pytest.mark.proves("T30")
def test_stateless_controls_agree_with_the_kernels(tmp_path):
    if not has_headers(tmp_path, ["linux/v4l2-controls.h"], []):
        pytest.skip("<linux/v4l2-controls.h> is not installed")
    ours = parse("zc_stateless.h")
    assert [(s.name, len(s.fields)) for s in ours.structs] == [("zc_v4l2_ctrl_fwht_params", 9)]
    assert len(ours.constants) == 3
    compare(tmp_path, ours, "uapi/zc_stateless.h", ["linux/v4l2-controls.h"], [])


@pytest.mark.proves("T30")
def test_structures_of_hevc_agree_with_the_kernels(tmp_path):
    if not has_headers(tmp_path, ["linux/v4l2-controls.h"], []):
        pytest.skip("<linux/v4l2-controls.h> is not installed")
    sizes = {
        "v4l2_ctrl_hevc_sps": hevc_sps.SPS.size, "v4l2_ctrl_hevc_pps": hevc_pps.PPS.size,
        "v4l2_ctrl_hevc_slice_params": hevc.SLICE_PARAMS.size, "v4l2_hevc_pred_weight_table": hevc_weights.WEIGHTS.size,
        "v4l2_ctrl_hevc_scaling_matrix": len(hevc_scaling.FLAT.pack()), "v4l2_hevc_dpb_entry": hevc_dpb.ENTRY.size,
        "v4l2_ctrl_hevc_decode_params": hevc.PARAMS.size,
    }  # fmt: skip
    controls = {
        "SPS": hevc.CID_SPS, "PPS": hevc.CID_PPS, "SLICE_PARAMS": hevc.CID_SLICE_PARAMS,
        "SCALING_MATRIX": hevc.CID_SCALING, "DECODE_PARAMS": hevc.CID_DECODE_PARAMS,
        "DECODE_MODE": hevc.CID_DECODE_MODE, "START_CODE": hevc.CID_START_CODE,
    }  # fmt: skip
    wanted = {f"sizeof(struct {name})": size for name, size in sizes.items()}
    wanted |= {f"V4L2_CID_STATELESS_HEVC_{name}": id for name, id in controls.items()}
    assert evaluate(tmp_path, ["<linux/v4l2-controls.h>"], [], list(wanted)) == wanted


@pytest.mark.proves("T30")
def test_max_num_buffers_is_where_the_kernel_puts_it(tmp_path):
    if not has_headers(tmp_path, ["linux/videodev2.h"], []):
        pytest.skip("<linux/videodev2.h> is not installed")
    known = evaluate(
        tmp_path,
        ['"uapi/zc_videodev2.h"'],
        [],
        [
            "ZC_V4L2_MAX_NUM_BUFFERS_OFFSET",
            "offsetof(struct v4l2_create_buffers, max_num_buffers)",
            "sizeof(struct v4l2_create_buffers) - ZC_V4L2_MAX_NUM_BUFFERS_OFFSET",
        ],
    )
    assert known.pop("sizeof(struct v4l2_create_buffers) - ZC_V4L2_MAX_NUM_BUFFERS_OFFSET") == 24
    assert len(set(known.values())) == 1


@pytest.mark.proves("T30")
def test_pxd_files_declare_all_that_the_headers_do():
    """A constant or field that no ``.pxd`` names cannot be used, so it must not be in the header either."""
    declared = set(re.findall(r"\w+", " ".join(path.read_text() for path in UAPI.glob("*.pxd"))))
    whole = parse("zc_drm.h", "zc_drm_mode.h", "zc_dmabuf.h", "zc_stateless.h")
    names = {*whole.constants, *(s.name for s in whole.structs), *(f for s in whole.structs for f in s.fields)}
    assert names - declared == set()

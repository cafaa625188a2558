"""The documentation: its code runs, its links lead somewhere, its commands exist, and it names every public name."""

import builtins
import re
import shlex
import shutil
from pathlib import Path

import pytest

import zcore
from zcore import cli
from zcore.pipeline import draw, parse

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
DEVICE = "<!-- device -->"  # the line before a block that only a machine with devices can run

WORDS = {"PIPELINE": "videotestsrc ! fakesink", "ELEMENT": "queue"}  # stand for any, in the text
CODEC = r"no element '[a-z0-9]+': this machine has no (device for this codec|such converter)"

each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


def blocks(page, *languages):
    """Give (line number, language, line before the fence, code) for each fenced block in one of the languages."""
    found = []
    before, fence = "", None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is None and line.startswith("```"):
            fence = (number, line[3:].strip(), before)
            code = []
        elif fence is not None and line.startswith("```"):
            if fence[1] in languages:
                found.append((*fence, "\n".join(code) + "\n"))
            fence, before = None, ""
        elif fence is not None:
            code.append(line)
        elif line.strip():
            before = line.strip()
    assert fence is None, f"{page}:{fence[0]}: the block has no end"
    return found


def prose(page):
    """Give the text outside of fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def spans(page):
    """Give the texts in `backticks` outside of fenced blocks, each on one line."""
    return [" ".join(text.split()) for text in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(page))]


def commands(page):
    """Give every command line: lines of shell blocks, and what is in backticks."""
    lines = []
    for *_, code in blocks(page, "sh", "bash", "shell", "console", ""):
        lines += re.sub(r"\\\n\s*", "", code).splitlines()
    # What stands behind two blanks, or a hash, explains the command.
    return [cut(text.strip().removeprefix("$ ")) for text in [*lines, *spans(page)]]


def cut(line):
    """Take away what explains a command: it stands behind a hash, or behind two blanks out of quotes."""
    return re.match(r"""(?:"[^"]*"|'[^']*'|(?!  | #).)*""", line)[0]


def zcore_words(line):
    """Give the words of a ``zcore`` command behind that name; ``None`` where the line is something else."""
    if not re.match(r"(python -m zcore\.cli|zcore)( [a-z-]|$)", line):
        return None
    words = shlex.split(line)
    words = words[3:] if words[0] == "python" else words[1:]
    return [WORDS.get(word, word) for word in words]


def parsed(words):
    """Read a command's words; a lone name of a command is only spoken of."""
    if words[0] in ("launch", "explain") and all(word.startswith("-") for word in words[1:]):
        return None
    return cli.parser().parse_args(words)


def anchors(page):
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def make_targets():
    """Give the targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@each_page
def test_code_runs_or_compiles(page, tmp_path, monkeypatch):
    """Blocks of a page follow one another, as they are read; those that need a device are compiled only."""
    monkeypatch.chdir(tmp_path)  # some write files
    namespace = {"__name__": "__main__"}
    try:
        for line, _, before, code in blocks(page, "python"):
            compiled = compile("\n" * line + code, str(page), "exec")  # errors then name the page's own line
            if before == DEVICE or "from testbed" in code:
                assert re.search(
                    r"zcore\.(Capture|Convert|Display|Encode|Decode|Fence|KmsGrab|Output|ScreenCapture)|vivid|v4l2",
                    code,
                ), f"line {line}: needs no device"
                exec("import zcore", namespace)  # what it defines for those behind it
                continue
            if re.search(
                "Software(Convert|Encode|Decode)|MuxSink|DemuxSource|MayConvert|videoconvert|videoscale", code
            ):
                pytest.importorskip("av")
            if "PngSink" in code:
                pytest.importorskip("PIL")
            exec(compiled, namespace)
    finally:
        namespace.clear()


@each_page
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert file.is_relative_to(ROOT), f"{page.name} links out of the checkout: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}; {file.name} has {sorted(anchors(file))}"


@each_page
def test_zcore_commands_parse(page, capsys):
    for line in commands(page):
        words = zcore_words(line)
        if not words:
            continue  # another program, or "`zcore`", the name
        try:
            parsed(words)
        except SystemExit as end:
            assert end.code == 0, f"{page.name}: {line}: {capsys.readouterr().err}"  # noqa: PT017 - --version ends so


def pipelines(page):
    """Give every pipeline that a command of a page runs, zcore's and GStreamer's, with its line."""
    found = []
    for line in commands(page):
        words = zcore_words(line)
        if line.startswith("gst-launch-1.0 ") and "PIPELINE" not in line:
            found.append((line, [word for word in shlex.split(line)[1:] if not word.startswith("-")]))
        elif words and words[0] in ("launch", "explain") and (options := parsed(words)) is not None:
            found.append((line, options.pipeline))
    return found


@each_page
def test_pipelines_mean_something(page):
    """Elements and properties exist; codecs may be those of another machine."""
    for _, pipeline in pipelines(page):
        try:
            draw(parse(pipeline))
        except zcore.LaunchError as error:
            if not re.match(CODEC, error.message):
                raise


@each_page
def test_commands_without_devices_run(page, tmp_path, monkeypatch, capsys):
    """What is in a block of shell is for copying: it does what it should, here and now."""
    monkeypatch.chdir(tmp_path)
    for *_, code in blocks(page, "sh"):
        for line in re.sub(r"\\\n\s*", "", code).splitlines():
            words = zcore_words(cut(line.strip()))
            if (
                not words
                or words[0] not in ("launch", "explain", "inspect")
                or re.search(r"v4l2|kms|app(src|sink)", line)
            ):
                continue
            if "--svg" in words and shutil.which("dot") is None:
                continue
            if words[0] != "explain" and "--json" not in words:
                pytest.importorskip("rich")
            if "videoconvert" in line or "videoscale" in line:
                pytest.importorskip("av")
            assert cli.main(words) == 0, f"{page.name}: {line}: {capsys.readouterr().err}"


@each_page
def test_make_targets_exist(page):
    known = make_targets()
    for line in commands(page):
        if re.match(r"make( |$)", line):
            wanted = {word for word in shlex.split(line)[1:] if "=" not in word and not word.startswith("-")}
            assert wanted <= known, f"{page.name}: {line}: the Makefile has {sorted(known)}"


@each_page
def test_scripts_that_are_named_exist(page):
    for line in commands(page):
        if re.match(r"(\./|(python )?(testbed|examples|bench)/)\S+", line):
            name = line.removeprefix("python ").split()[0]
            assert (ROOT / name).exists(), f"{page.name}: {line}"


@each_page
def test_members_that_are_named_exist(page):
    """`Class.member` in backticks is one of a public class, or of a builtin."""
    for text in spans(page):
        found = re.match(r"(?:zcore\.)?([A-Z]\w+)\.(\w+)", text)
        if found and hasattr(zcore, found[1]):
            owner = getattr(zcore, found[1])
            known = hasattr(owner, found[2]) or found[2] in getattr(owner, "__dataclass_fields__", ())
            assert known, f"{page.name}: {found[1]} has no {found[2]}"
        found = re.fullmatch(r"zcore\.([A-Z]\w+)(\(.*\))?", text)
        assert not found or hasattr(zcore, found[1]), f"{page.name}: zcore has no {found[1]}"


def test_every_public_name_is_in_the_overview():
    text = (ROOT / "docs/api.md").read_text() + (ROOT / "docs/api-frames.md").read_text()
    headings = set(re.findall(r"^#+ (\w+)$", text, flags=re.MULTILINE))
    for name in zcore.__all__:
        here = f"`{name}`" in text or f"`zcore.{name}`" in text or name in headings
        assert here, f"docs/api.md and docs/api-frames.md do not name {name}"


def test_every_exception_has_its_row():
    text = (ROOT / "docs/errors.md").read_text()
    for name in zcore.__all__:
        kind = getattr(zcore, name)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            continue
        row = re.search(rf"^\| `{name}` \|(.*?)\| (.+?) \| (.+?) \|$", text, flags=re.MULTILINE)
        assert row, f"docs/errors.md has no row for {name}"
        for base in re.findall(r"`(\w+)`", row[1]):
            assert issubclass(kind, getattr(zcore, base, None) or getattr(builtins, base)), f"{name} is no {base}"


def test_readme_shows_what_the_command_has():
    text = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test", "zcore demo", "zcore devices", "zcore launch", "zcore explain"):
        assert command in text
    assert "require_zero_copy=True" in text


def test_every_page_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in text, f"README.md does not lead to {page.name}"


def test_cutting_a_command_leaves_quotes_alone():
    assert cut('zcore explain "a ! b  c. ! d"  what it does') == 'zcore explain "a ! b  c. ! d"'
    assert cut("zcore devices # all") == "zcore devices"

"""The documentation does what it says: every snippet of every page runs and prints what is shown.

Owns: reading the fenced blocks of a page, and running them as this says:

- ``python`` blocks of a page run in order, in one namespace, in a process of their own, with
  warnings as errors. A ``text`` block right below one is what it prints; without, it prints
  nothing.
- ``pycon`` blocks are doctests in the same namespace.
- A block whose first line is a comment with a file's name, ``# bell.py``, is that file.
- ``console`` blocks are run line by line (``$ command``) in the folder of these files, and what
  they write is what is shown, the folder being ``/home/me``. Real time, counts of steps,
  digests and pytest's rules may differ; ``...`` stands for anything.
- A block that cannot run has a comment above it that says why: ``<!-- not run: the reason -->``.

README.md is a page like the others, and each of its blocks is a file of its own.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md"))

BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^>]*) -->\n+)?"
    r"^(?P<fence>`{3,}|~{3,})(?P<language>\w+)\n(?P<text>.*?)^(?P=fence)$"
    r"(?:\n+^```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"# (?P<name>[\w/-]+\.\w+)\n")
HOME = "/home/me"
"""What a page shows as the folder of its files."""
RUN = ("python", "pycon", "console")
NEEDS_A_REASON = (*RUN, "sh", "bash", "py")


class Block(NamedTuple):
    """One fenced block of a page."""

    line: int
    language: str
    text: str
    output: str
    reason: str | None

    @property
    def file(self):
        """The name of the file that it is, or None."""
        found = FILE.match(self.text)
        return found["name"] if found else None


def blocks_of(text):
    """Read the blocks of a page, in order."""
    for found in BLOCK.finditer(text):
        line = text[: found.start("text")].count("\n") + 1
        language, source, output = found["language"], found["text"], found["output"] or ""
        yield Block(line, language, source, output, found["reason"])


# A process of its own: reads the blocks as JSON, writes what each printed, as JSON.
DRIVER = r"""
import contextlib, doctest, io, json, pathlib, sys, traceback
page, name, report = sys.argv[1:]
namespace, told = {"__name__": "__main__"}, []
for line, language, text in json.loads(pathlib.Path(page).read_text()):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            if language == "pycon":
                test = doctest.DocTestParser().get_doctest(text, {}, name, name, line)
                test.globs = namespace
                flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
                doctest.DocTestRunner(verbose=False, optionflags=flags).run(test, clear_globs=False)
            else:
                exec(compile("\n" * (line - 1) + text, name, "exec"), namespace)
        except BaseException:
            traceback.print_exc()
    told.append((line, said.getvalue()))
pathlib.Path(report).write_text(json.dumps(told))
"""


def environment(text):
    """What a reader has who installed simloop and pytest, and the plugin that a page moves from."""
    plugins = "simloop.testing.plugin"
    if re.search(r"^import pytest_asyncio$|^def pytest_asyncio_", text, re.MULTILINE):
        plugins += ",pytest_asyncio.plugin"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return kept | {
        "COLUMNS": "80",
        "PATH": path,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": plugins,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


def run(command, folder, env):
    """Run a command to its end; return what it wrote to both streams."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
        shell=isinstance(command, str),
    )
    return done.stdout


def run_python(blocks, name, folder, env):
    """Run the blocks in one namespace; yield each block with what it printed."""
    (folder / "blocks.json").write_text(json.dumps([block[:3] for block in blocks]))
    driver, report = folder / "driver.py", folder / "report.json"
    driver.write_text(DRIVER)
    command = [sys.executable, "-W", "error", str(driver), "blocks.json", name, str(report)]
    said = run(command, folder, env)
    assert said == "", said
    told = json.loads(report.read_text())
    for path in (driver, report, folder / "blocks.json"):
        path.unlink()
    for block, (line, printed) in zip(blocks, told, strict=True):
        assert line == block.line
        yield block, printed


INTERPRETERS = {"python": sys.executable, "simloop": f"{sys.executable} -m simloop"}
"""What a command on a page is for these tests, whatever is installed."""


def commands_of(text):
    """Split a console block into pairs of a command and what is shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        while command.endswith("\\"):
            more, _, shown = shown.partition("\n")
            command = command[:-1] + more.removeprefix("> ")
        yield command, shown


VOLATILE = [
    (re.compile(r"virtual in [\d.]+ s real"), "virtual in 0.00 s real"),
    (re.compile(r"digest [0-9a-f]{32}"), "digest 0"),
    (re.compile(r"\b[\d,]+ steps, seed"), "0 steps, seed"),
    (re.compile(r"in \d+\.\d+s"), "in 0.00s"),
    (re.compile(r"^([=_-])\1{2,} ?| ?([=_-])\2{2,}$", re.MULTILINE), ""),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
]


def settled(text):
    """Make the parts of an output that differ between machines the same."""
    for pattern, put in VOLATILE:
        text = pattern.sub(put, text)
    return text.strip() + "\n"


def is_as_shown(shown, written):
    """Tell whether an output is the one on the page, ``...`` standing for anything."""
    got, check = settled(written), doctest.OutputChecker().check_output
    shortest = settled(shown).removesuffix("...\n")  # It stands for nothing, too.
    return any(check(want, got, doctest.ELLIPSIS) for want in (settled(shown), shortest))


def differences(name, text, folder):
    """Run a page; yield what is not as it shows."""
    blocks, env = [block for block in blocks_of(text) if block.reason is None], environment(text)
    for block in blocks:
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text)
    python = [b for b in blocks if b.language in ("python", "pycon") and not b.file]
    for block, printed in run_python(python, name, folder, env) if python else ():
        if printed != block.output and not is_as_shown(block.output or "\n", printed or "\n"):
            yield f"{name}:{block.line} shows\n{block.output}\nand prints\n{printed}"
    for block in blocks:
        if block.file:  # A later block may show a file anew.
            (folder / block.file).write_text(block.text)
        elif block.language == "console":
            for command, shown in commands_of(block.text):
                name_of_it, _, rest = command.partition(" ")
                line = f"{INTERPRETERS.get(name_of_it, name_of_it)} {rest}"
                written = run(line, folder, env).replace(str(folder), HOME)
                if not is_as_shown(shown, written):
                    yield f"{name}:{block.line} $ {command}\nshows\n{shown}\nand wrote\n{written}"


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_does_what_it_shows(name, tmp_path):
    """Each snippet of the page runs, without a warning, and prints what is shown below it."""
    found = list(differences(name, (ROOT / name).read_text(), tmp_path))
    assert not found, "\n" + "\n".join(found)


README_BLOCKS = [
    pytest.param(block, id=f"line{block.line}")
    for block in blocks_of((ROOT / "README.md").read_text())
    if block.language == "python"
]


@pytest.mark.slow
@pytest.mark.parametrize("block", README_BLOCKS)
def test_a_snippet_of_the_readme_runs(block, tmp_path):
    """A snippet of the README runs as a file of its own and prints what is shown below it."""
    (tmp_path / "snippet.py").write_text(block.text)
    assert (
        run([sys.executable, "-W", "error", "snippet.py"], tmp_path, environment(""))
        == block.output
    )


def test_the_readme_has_snippets():
    """Each use has one."""
    assert len(README_BLOCKS) >= 4


@pytest.mark.parametrize("name", PAGES)
def test_a_block_that_does_not_run_says_why(name):
    """Code of a kind that the tests do not run has a reason above it."""
    text = (ROOT / name).read_text()
    silent = [
        f"{name}:{block.line}"
        for block in blocks_of(text)
        if block.language in NEEDS_A_REASON and block.language not in RUN
        if not block.file and not (block.reason or "").strip()
    ]
    assert not silent
    fences = len(re.findall(r"^(?:`{3,}|~{3,})\w+$", text, re.MULTILINE))
    shown = sum(1 + bool(block.output) for block in blocks_of(text))
    assert fences == shown, "a block is not closed, or its marker is not right above it"


PAGE = """\
```python
x = 1
print(x)
```

```text
1
```

```pycon
>>> x + 1
2
```

```python
# twice.py
print("a", 2.5 * 2)
```

```console
$ python twice.py
a ...
```

<!-- not run: it never ends -->
```python
while True: ...
```
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"), [("\n1\n", "\n7\n"), ("\n2\n", "\n7\n"), ("a ...", "b ..."), ("x = 1", "")]
)
def test_the_checker_tells_right_from_wrong(right, wrong, tmp_path):
    """A page that does what it shows passes, and one that shows something else does not."""
    for folder in ("right", "wrong"):
        (tmp_path / folder).mkdir()
    assert list(differences("page.md", PAGE, tmp_path / "right")) == []
    assert list(differences("page.md", PAGE.replace(right, wrong), tmp_path / "wrong"))

"""The glossary has every public word, and says each once."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs/reference/glossary.md"
FOLDERS = ("simloop", "net", "disk", "trace", "world", "testing", "embed", "show", "errors")


def terms():
    """Yield each term: the lines of a glossary's block that are not indented."""
    for block in re.findall(r"```\{glossary\}\n(.*?)```", GLOSSARY.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line and not line.startswith((" ", ":")):
                yield line


def faces():
    """Yield the modules that users import from."""
    for folder in FOLDERS:
        yield folder if folder == "simloop" else f"simloop.{folder}"
    package = importlib.import_module("simloop.embed")
    for found in pkgutil.iter_modules(package.__path__, "simloop.embed."):
        if not found.name.rpartition(".")[2].startswith("_"):
            yield found.name


def words(name):
    """``DeadlockError`` and ``virtual_time`` as words."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)


def is_covered(name, known):
    """A name is a term, or each of its words is."""
    return name in known or all(word.lower() in known for word in words(name))


@pytest.mark.parametrize("face", tuple(faces()))
def test_the_glossary_has_every_public_word(face):
    """Each public name is a term of the glossary, or is made of words that are terms."""
    if face.startswith("simloop.embed."):
        pytest.importorskip(face)
    known = list(terms())
    names = importlib.import_module(face).__all__
    assert not [name for name in names if not is_covered(name, known)]


def test_a_term_is_explained_once():
    """No term stands twice, and each paragraph that explains some is one or two sentences."""
    known = list(terms())
    assert known == list(dict.fromkeys(known))
    assert len(known) > 50
    explained = re.findall(r"(?m)^(?:  \S.*\n)+", GLOSSARY.read_text())
    assert not [each for each in explained if len(re.findall(r"[.](?:\s|$)", each)) > 2]


def test_a_name_of_unknown_words_is_found():
    """A name is covered by its own term or by all of its words, and by nothing less."""
    known = ["sim thread", "digest", "SimLoop", "tap"]
    covered = [
        name for name in ("SimLoop", "digest", "TapDigest", "digest_tap") if is_covered(name, known)
    ]
    assert covered == ["SimLoop", "digest", "TapDigest", "digest_tap"]
    assert not [
        name for name in ("SimThread", "Tapestry", "DigestOf", "loop") if is_covered(name, known)
    ]


def test_the_glossary_is_linked_from_the_reference():
    """Whoever opens the reference finds the glossary first."""
    index = (ROOT / "docs/reference/index.md").read_text()
    assert "](glossary.md)" in index
    assert "\nglossary\n" in index

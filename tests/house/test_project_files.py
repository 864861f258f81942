"""The files of a project that others meet first are there, and say what is true."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import simloop

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_links_lead_somewhere(name):
    """Each file is there, and each file that it links to."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.startswith("# ")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_citation_has_the_version():
    """Who cites names the version that is there, and its license."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {simloop.__version__}\n" in text
    assert "\nlicense: Apache-2.0\n" in text


@pytest.mark.skipif(not WORKFLOWS.exists(), reason="this tree came without its workflows")
def test_workflows_use_what_is_there():
    """Each file of ours that a workflow runs is there, and no workflow may write by default."""
    for path in sorted(WORKFLOWS.glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        assert re.search(r"(?m)^permissions:\n  contents: (read|write)$", text), path
        for file in re.findall(r"(?:python|bash) ((?:tests|\.ci)/\S+)", text):
            assert (ROOT / file).exists(), (path, file)


BADGES = ROOT / ".ci" / "badges.py"


@pytest.mark.skipif(not BADGES.exists(), reason="this tree came without what makes badges")
def test_badges_are_true():
    """Each badge of README is what pyproject.toml says now, and README names it so."""
    spec = importlib.util.spec_from_file_location("badges", BADGES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    made = module.badges()
    assert len(made) == 4
    for name, text in made.items():
        assert (module.FOLDER / name).read_text(encoding="utf-8") == text, "python .ci/badges.py"
        title = re.search(r"<title>(.*)</title>", text)[1]
        assert f"![{title}](docs/images/{name})" in readme
    assert len(re.findall(r"docs/images/badge-", readme)) == len(made)


def test_the_conda_recipe_says_what_the_project_says():
    """Version, Pythons, dependencies and the command are those of pyproject.toml."""
    recipe = (ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f'\n  version: "{simloop.__version__}"\n' in recipe
    (run,) = re.findall(r"\n  run:\n((?:    - .*\n)+)", recipe)
    wanted = [f"python {project['requires-python']}"]
    wanted += [each.replace(">=", " >=") for each in project["dependencies"]]
    assert re.findall(r"- (.*)", run) == wanted
    for name, target in project["scripts"].items():
        assert f"- {name} = {target}\n" in recipe
    assert f"license: {project['license']}\n" in recipe

"""What a platform has of the standard library, by typeshed's ``if sys.platform == ...``.

Owns: reading stubs, and taking the branches that hold. typeshed comes with mypy.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from pathlib import Path


@functools.cache
def typeshed():
    """Return the folder of the standard library's stubs."""
    spec = importlib.util.find_spec("mypy")
    if spec is None or spec.origin is None:
        raise SystemExit("typeshed comes with mypy, which is not installed here (extra dev)")
    return Path(spec.origin).parent / "typeshed" / "stdlib"


class Names:
    """What a stub defines on a platform: names, values of constants, members of its classes."""

    def __init__(self, platform):
        self.platform = platform
        self.names = {}
        self.values = {}
        self.members = {}

    def read(self, body, cls=None):
        """Read statements."""
        for node in body:
            if isinstance(node, ast.If):
                self.read(node.body if self.holds(node.test) else node.orelse, cls)
            elif isinstance(node, ast.Try):
                self.read(node.body, cls)
            else:
                for name in self.defined(node):
                    self.add(name, cls)
                if isinstance(node, ast.ClassDef) and cls is None:
                    self.read(node.body, node.name)

    def defined(self, node):
        """Return the names that a statement defines."""
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            return [node.name]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if isinstance(node.value, ast.Constant):
                self.values[node.target.id] = node.value.value
            return [node.target.id]
        if isinstance(node, ast.Assign):
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        if isinstance(node, ast.Import | ast.ImportFrom):
            return [alias.asname for alias in node.names if alias.asname]
        return []

    def add(self, name, cls):
        """Note a name of the module, or of a class."""
        names = self.names if cls is None else self.members.setdefault(cls, {})
        names[name] = None

    def holds(self, test):
        """Evaluate what stubs ask: sys.platform, sys.version_info, TYPE_CHECKING."""
        if isinstance(test, ast.BoolOp):
            answers = [self.holds(value) for value in test.values]
            return all(answers) if isinstance(test.op, ast.And) else any(answers)
        if isinstance(test, ast.UnaryOp):
            return not self.holds(test.operand)
        text = ast.unparse(test)
        if not text.startswith(("sys.platform", "sys.version_info")):
            return text == "TYPE_CHECKING"
        system = type("sys", (), {"platform": self.platform, "version_info": sys.version_info})
        return bool(eval(text, {"sys": system}))  # noqa: S307 - a condition of typeshed


@functools.cache
def names_on(module, platform):
    """Return what a module has on a platform; None where there is no stub."""
    path = typeshed().joinpath(*module.split("."))
    for file in (path.with_suffix(".pyi"), path / "__init__.pyi"):
        if file.exists():
            found = Names(platform)
            found.read(ast.parse(file.read_text(encoding="utf-8")).body)
            return found
    return None


def lacking(module, platform):
    """Return what a module has on Linux and not there: whether it is missing, names, members."""
    here, there = names_on(module, "linux"), names_on(module, platform)
    if here is None:
        return False, [], {}
    names = [name for name in here.names if name not in there.names]
    members = {
        cls: gone
        for cls, of_class in here.members.items()
        if cls in there.names
        and (gone := [name for name in of_class if name not in there.members.get(cls, {})])
    }
    has_public = any(not name.startswith("_") for name in there.names)
    return bool(names) and not has_public, names, members


def modules():
    """Return the names of all modules whose stubs ask for the platform."""
    root = typeshed()
    found = []
    for path in sorted(root.rglob("*.pyi")):
        if "sys.platform" not in path.read_text(encoding="utf-8"):
            continue
        parts = path.relative_to(root).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found

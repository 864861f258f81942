"""Finding programs: each way to name one, and what is said when there is none."""

from __future__ import annotations

import asyncio

import pytest

from simloop.cli._program import NoProgramError, find

pytestmark = pytest.mark.usefixtures("interpreter")


def start(target, *args, made=False):
    program = find(target)
    program.prepare(args)
    return program.run(lambda: made)


def test_a_script_runs_as_main(tmp_path, capsys):
    """A file runs as ``__main__`` with its own argv, folder on the path and absolute name."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "beside.py").write_text("WHO = 'beside'\n")
    (folder / "script.py").write_text(
        "import sys, beside\n"
        "if __name__ == '__main__':\n"
        "    print(sys.argv, beside.WHO, __file__, sys.modules['__main__'].__file__ == __file__)\n"
    )
    assert start("app/script.py", "--x", "1") is None
    said = capsys.readouterr().out
    assert said == f"['app/script.py', '--x', '1'] beside {folder / 'script.py'} True\n"


def test_main_is_called_where_nothing_else_ran(tmp_path):
    """A file that only defines an async ``main`` gives its coroutine."""
    (tmp_path / "app.py").write_text("async def main():\n    return 3\n")
    coroutine = start("app.py")
    assert asyncio.iscoroutine(coroutine)
    coroutine.close()


@pytest.mark.parametrize(
    ("guard", "made"), [("", True), ("if __name__ == '__main__': pass\n", False)]
)
def test_main_is_not_called_twice(tmp_path, guard, made):
    """A file that started a loop, or decides by itself what to do, is left alone."""
    (tmp_path / "app.py").write_text(f"def main():\n    raise AssertionError\n{guard}")
    assert start("app.py", made=made) is None


def test_a_function_is_called_by_name(tmp_path):
    """FILE.py:FUNCTION and MODULE:FUNCTION import, and call the function, dotted ones too."""
    (tmp_path / "app.py").write_text(
        "def go():\n    return __name__\n"
        "class Deep:\n    @staticmethod\n    def go():\n        return 2\n"
    )
    assert start("app.py:go") == "app"
    assert start("app:go") == "app"
    assert start("app:Deep.go") == 2


def test_a_module_runs_as_python_m_runs_it(tmp_path):
    """A dotted module, and a package by its ``__main__``, run as main and import relatively."""
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "value.py").write_text("VALUE = 5\n")
    source = "import sys\nfrom .value import VALUE\ndef main():\n    return VALUE, sys.argv\n"
    (package / "__main__.py").write_text(source)
    (package / "tool.py").write_text(source)
    assert start("pack", "a") == (5, [str(package / "__main__.py"), "a"])
    assert start("pack.tool") == (5, [str(package / "tool.py")])


def test_a_callable_that_hides_its_arguments_is_called(tmp_path):
    """A builtin without a signature is given the benefit of the doubt."""
    (tmp_path / "app.py").write_text("main = dict\n")
    assert start("app.py") == {}


@pytest.mark.parametrize(
    ("target", "source", "words"),
    [
        ("none.py", None, "the file 'none.py' does not exist"),
        ("./none", None, "the file './none' does not exist"),
        ("folder.py", None, "the file 'folder.py' is a folder"),
        ("none", None, "there is no module 'none'"),
        ("none.at.all", None, "there is no module 'none.at.all'"),
        ("none:main", None, "there is no module 'none'"),
        ("app-1", None, "'app-1' is neither a Python file"),
        ("app.py:2", "", "'2' in 'app.py:2' is no name of a function"),
        ("app.py:", "", "'' in 'app.py:' is no name of a function"),
        ("app.py", "x = 1", "app.py started no event loop and has no function named main"),
        ("app.py:go", "x = 1", "app.py has no function 'go'"),
        ("app.py", "main = 3", "'main' in app.py is 'int', which can't be called"),
        ("app.py", "def main(argv): ...", "main() in app.py can't be called without arguments"),
        ("app.py", "async def main(argv): ...", "missing a required argument: 'argv'"),
        ("builtins", None, "the module 'builtins' has no Python code"),
    ],
)
def test_a_missing_program_is_told(tmp_path, target, source, words):
    """Each way to miss a program names what was looked for and what to do."""
    (tmp_path / "folder.py").mkdir()
    if source is not None:
        (tmp_path / "app.py").write_text(source)
    with pytest.raises(NoProgramError) as caught:
        start(target)
    assert words in str(caught.value)


def test_a_program_that_misses_a_module_raises_its_own_error(tmp_path):
    """An import that fails inside the program is the program's error, not a missing program."""
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("import not_installed\n")
    (package / "tool.py").write_text("")
    with pytest.raises(ModuleNotFoundError, match="not_installed"):
        start("pack.tool")

"""The command ``simloop``: a program from the command line, in a world of its own, and its picture.

Owns: the order of things. Read the line; start over with a fixed hash seed, which Python takes
only at its start; run the program; tell how it went; with ``--check`` do it again elsewhere and
compare. Each of these is in a file of its own, and none of them is of interest to other layers.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from . import _arguments
from ._status import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ExitStatus", "main"]

_HASH_SEED = "PYTHONHASHSEED"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        argv: The command line without the command's own name. By default that of this process,
            which is then replaced by one with a fixed ``PYTHONHASHSEED`` if it has none.

    Example:
        >>> int(main(["run", "no_such_file.py"]))
        2
    """
    arguments = _arguments.parse(sys.argv[1:] if argv is None else argv)
    if isinstance(arguments, _arguments.ShowArguments):
        from ._show import carry_out as show  # noqa: PLC0415 - as below

        return show(arguments)
    if argv is None and os.environ.get(_HASH_SEED, "random") == "random":
        os.environ[_HASH_SEED] = "0"
        # The same interpreter with the same options; the program's environment says so, too.
        command = [sys.executable, *sys.orig_argv[1:]]
        if sys.platform == "win32":  # Where execv() ends this process, and its shell goes on.
            import subprocess  # noqa: PLC0415 - as below

            return subprocess.call(command)  # noqa: S603 - ourselves
        os.execv(sys.executable, command)  # noqa: S606 - ourselves
    return _carry_out(arguments)


def _carry_out(arguments: object) -> int:
    """Import the engine, which the lines above don't need, and do what was asked."""
    if isinstance(arguments, _arguments.RunArguments):
        from ._command import carry_out  # noqa: PLC0415 - as above

        return carry_out(arguments)
    from ._program import BrokenProgramError  # noqa: PLC0415 - as above
    from ._running.own_frames import print_error  # noqa: PLC0415 - as above

    try:
        return _search(arguments)
    except BrokenProgramError as broken:
        print_error(broken.__cause__ or broken)
        return ExitStatus.FAILED


def _search(arguments: object) -> int:
    """Do what runs a function many times."""
    if isinstance(arguments, _arguments.ExploreArguments):
        from ._exploring.explore_command import carry_out as explore  # noqa: PLC0415 - as above

        return explore(arguments)
    if isinstance(arguments, _arguments.ReplayArguments):
        from ._exploring.replay_command import carry_out as replay  # noqa: PLC0415 - as above

        return replay(arguments)
    if isinstance(arguments, _arguments.DiffArguments):
        from ._exploring.diff_command import carry_out as diff  # noqa: PLC0415 - as above

        return diff(arguments)
    if isinstance(arguments, _arguments.SweepArguments):
        from ._exploring.sweep_command import carry_out as sweep  # noqa: PLC0415 - as above

        return sweep(arguments)
    from ._exploring.check_command import carry_out as check  # noqa: PLC0415 - as above

    assert isinstance(arguments, _arguments.CheckArguments)
    return check(arguments)

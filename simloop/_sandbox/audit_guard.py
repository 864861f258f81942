"""The guard: real input and output from inside a run is an error at the line that did it.

Owns: the audit hook, and what each audited event means for a run. Python announces the calls that
reach out of the process (``sys.audit``); the hook looks them up in one table. Calls that Python
does not announce are guarded where they are redirected (``descriptors``, ``signals``,
``sockets``).

Must not know: what would be there instead of the real thing.

Invariants:

- Only threads inside a run are guarded; with no run on, an event costs one look at a global.
- The hook is installed once per process, at the first run; Python has no way to remove one.
- What is refused has not happened: the events come before the deed.
"""

from __future__ import annotations

import _thread
import os
import reprlib
import sys
from typing import TYPE_CHECKING, Any

from simloop._presence import call_hearers
from simloop.net.linux import platform_module

from .files.file_calls import noted
from .io import platform_queries as inquiries  # noqa: F401 - for what it registers: what it lets out is no escape
from .io.machine_files import refuse_machine_file
from .io.socket_paths import check_opening
from .patching.registry import before_install, redirect, redirect_present, when_loaded
from .permissions import escape, is_allowed
from .process.effects import changed
from .process.lock_calls import refuse_fifo
from .run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable

    from .run_context import RunContext

    Guard = Callable[[RunContext, str, tuple[Any, ...]], None]

__all__ = ["CHANGES", "add_guard"]

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = 80


def _call(event: str, args: tuple[Any, ...]) -> str:
    return f"{event}({', '.join(_shown.repr(arg) for arg in args if arg is not None)})"


def _refuse(name: str, reason: str, shown: slice = slice(None)) -> Guard:
    """Make the guard that refuses unless ``name`` is allowed."""

    def guard(_seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
        if not is_allowed(name):
            raise escape(_call(event, args[shown]), reason, name)

    return guard


def _refuse_strictly(name: str, reason: str) -> Guard:
    """Make the guard that refuses in the strict mode."""

    def guard(seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
        if seat.strict and not is_allowed(name) and not _is_compiled(args[0]):
            raise escape(_call(event, args[:1]), reason, name)

    return guard


def _is_compiled(path: Any) -> bool:
    """Tell whether this is where Python keeps compiled modules, which importing one may write."""
    return isinstance(path, (str, bytes)) and "__pycache__" in os.fsdecode(path)


def _refuse_blocking(seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
    """Refuse clients that wait for the network on the thread that would have to serve it."""
    if seat.blocks_loop and not is_allowed("sockets"):
        reason = "it waits for the network and so stops the loop, which is the network here"
        raise escape(_call(event, args[-2:]), reason, "sockets")


def _refuse_urllib(seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
    if not str(args[0]).startswith(("file:", "data:")):
        _refuse_blocking(seat, event, args[:1])


def _refuse_kill(_seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
    if args[1] and not is_allowed("signals") and not is_allowed("subprocess"):
        raise escape(_call(event, args), "the signal goes to a real process", "signals")


def _refuse_writing(seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
    path, mode, flags = args
    refuse_machine_file(path, flags)
    refuse_fifo(path, flags)
    if mode is not None and seat.sockets is not None:
        check_opening(path, flags)  # Of the built-in function: os.open has been asked before.
    if flags & _WRITE_FLAGS and not isinstance(path, int):
        _refuse_change(seat, event, args)


def _refuse_listing(_seat: RunContext, _event: str, args: tuple[Any, ...]) -> None:
    refuse_machine_file(args[0], 0)


def _refuse_database(seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
    if args[0] not in (":memory:", b":memory:", ""):
        _refuse_change(seat, event, args)


_STARTS = "a real process runs beside the world, in real time"
_ASKS = "the real resolver would answer"
_RENAMES = "it would rename the real machine, not the host of the world"
_SENDS = "the descriptor is real"
_WRITES = "the strict mode refuses to change files"
_THREADS = "the strict mode refuses threads, whose order is the machine's"

_refuse_change = _refuse_strictly("files", _WRITES)

_guards: dict[str, Guard] = {
    **dict.fromkeys(
        ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
        _refuse("sockets", _SENDS, slice(1, None)),
    ),
    **dict.fromkeys(
        (
            "socket.getaddrinfo",
            "socket.gethostbyname",
            "socket.gethostbyaddr",
            "socket.getnameinfo",
        ),
        _refuse("names", _ASKS),
    ),
    "socket.sethostname": _refuse("names", _RENAMES),
    **dict.fromkeys(
        ("subprocess.Popen", "os.posix_spawn", "os.spawn", "os.exec", "pty.spawn"),
        _refuse("subprocess", _STARTS, slice(2)),
    ),
    **dict.fromkeys(("os.system", "os.fork", "os.forkpty"), _refuse("subprocess", _STARTS)),
    **dict.fromkeys(("os.kill", "os.killpg", "signal.pthread_kill"), _refuse_kill),
    **dict.fromkeys(
        (
            "http.client.connect",
            "ftplib.connect",
            "nntplib.connect",
            "telnetlib.Telnet.open",
            "smtplib.connect",
            "poplib.connect",
            "imaplib.open",
        ),
        _refuse_blocking,
    ),
    "urllib.Request": _refuse_urllib,
    "open": _refuse_writing,
    "os.listdir": _refuse_listing,
    "os.scandir": _refuse_listing,
    "sqlite3.connect": _refuse_database,
    **dict.fromkeys(
        (
            "os.chflags",
            "os.chmod",
            "os.chown",
            "os.link",
            "os.mkdir",
            "os.remove",
            "os.removexattr",
            "os.rename",
            "os.rmdir",
            "os.setxattr",
            "os.symlink",
            "os.truncate",
            "os.utime",
        ),
        _refuse_change,
    ),
    **dict.fromkeys(
        ("_thread.start_new_thread", "_thread.start_joinable_thread"),
        _refuse_strictly("threads", _THREADS),
    ),
}


CHANGES = tuple(event for event, each in _guards.items() if each is _refuse_change)
"""Events by which Python announces changes of files."""


def add_guard(event: str, further: Guard) -> None:
    """Ask one more guard at an event, after the one that is there."""
    first = _guards.get(event)

    def guard(seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
        if first is not None:
            first(seat, event, args)
        further(seat, event, args)

    _guards[event] = guard


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if by_thread:
        guard = _guards.get(event)
        if guard is not None:
            seat = by_thread.get(get_ident())
            if seat is not None:
                guard(seat, event, args)
                changed(event, args)
                noted(seat, event, args)
                if call_hearers and not _is_of_system(args):
                    call_hearers[0]()


_SYSTEM = ("/usr/", "/etc/", "/proc/", "/sys/", f"{sys.prefix}/", f"{sys.base_prefix}/")


def _is_of_system(args: tuple[Any, ...]) -> bool:
    """Tell whether a call is about what the system and Python came with: nobody races for it.

    Libraries read such files (a time zone's) once in a process.
    """
    return bool(args) and type(args[0]) is str and args[0].startswith(_SYSTEM)


if not hasattr(sys, "monitoring"):  # Before 3.12: so that coverage sees the guards.
    # Whoever monitors may be in the middle of setting itself up when an event is announced, with a
    # lock of its own in hand, for which it would wait if it were told of the hook: coverage does.
    _hook.__cantrace__ = True  # type: ignore[attr-defined]


_real_start: Any


def _start_new_thread(*args: Any) -> Any:
    _hook("_thread.start_new_thread", args)
    return _real_start(*args)


if sys.version_info < (3, 12):  # Later ones announce it themselves.
    _real_start = redirect(_thread.start_new_thread, _start_new_thread)

_watching = False


def _watch() -> None:
    global _watching  # noqa: PLW0603 - the state of the process
    if not _watching:
        _watching = True
        sys.addaudithook(_hook)


before_install(_watch)


def _fork_exec(args: Any, *rest: Any) -> Any:
    """Refuse the processes that ``multiprocessing`` spawns, which Python does not announce."""
    if get_ident() in by_thread and not is_allowed("subprocess") and not _is_for_cleaning():
        shown = [os.fsdecode(arg) for arg in args[:1]]
        raise escape(f"fork_exec({', '.join(shown)})", _STARTS, "subprocess")
    return _real_fork_exec(args, *rest)


def _is_for_cleaning() -> bool:
    """Tell whether ``multiprocessing`` starts the process that cleans up after all others.

    Making a lock does so; it only waits for this process to end.
    """
    frame = sys._getframe(2).f_back  # Who called multiprocessing.util.spawnv_passfds.
    for _ in range(2):
        if frame is None:
            return False
        if frame.f_globals.get("__name__") == "multiprocessing.resource_tracker":
            return True
        frame = frame.f_back
    return False


_real_fork_exec = redirect_present(platform_module("_posixsubprocess"), "fork_exec", _fork_exec)


def _share_memory(module: Any) -> None:
    """Refuse memory that processes share by its name, which Python does not announce."""

    def shm_open(*args: Any, **kwargs: Any) -> Any:
        if get_ident() in by_thread and not is_allowed("subprocess"):
            why = "the memory is for real processes, and its name stays when the run ends"
            raise escape(f"shm_open({', '.join(map(reprlib.repr, args[:1]))})", why, "subprocess")
        return real(*args, **kwargs)

    real = redirect(module.shm_open, shm_open)


when_loaded("_posixshmem", _share_memory)

"""Files that tell of the machine and the process: the world's text, or refused.

Owns: what opening them gives in a run. ``/proc`` shows how long the machine is up, what memory is
free, random numbers and the real process; ``/etc/hostname`` and ``/etc/localtime`` who and where
the machine is. What programs read of these has a text here, by the world; the rest is refused.

How: the text is laid into a file in memory (memfd_create(2)), which is opened in the place of the
real one, so every way to read works. What is opened in a way that is not seen here (a relative
path, a class of ``io``) is refused by its announcement to ``sys.audit``.

Must not know: the functions that tell the same; see :mod:`simloop._sandbox.process.machine`.

Invariants: what the program was given by the real process, its arguments, environment and files, it
may read there, too. Under ``allow("machine")`` and ``allow("subprocess")`` all is real.
"""

from __future__ import annotations

import builtins
import os
import random
import uuid
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND
from simloop._sandbox.patching.registry import redirect
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.process.identity import real_pid
from simloop._sandbox.process.machine import CPUS, MEMORY_PAGES, RESIDENT_PAGES, UID, run_on_machine
from simloop._sandbox.run_context import by_thread, get_ident
from simloop._sandbox.time.cpu_time import used_ns
from simloop._sandbox.time.time_zone import UTC, zone_file, zone_of_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._sandbox.contracts import Identity
    from simloop._sandbox.run_context import RunContext

__all__ = ["refuse_machine_file", "tells_of_machine"]

_HERE = ("/proc/", "/sys/", "/etc/", "/dev/", "/usr/share/zoneinfo/localtime", "/var/lib/dbus/")
"""Where such files lie."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_GIVEN = ("cmdline", "environ", "exe", "fd", "fdinfo", "cwd", "root", "comm")
"""What the program was given by the real process: below ``/proc/self``."""

_RANDOM = ("/dev/urandom", "/dev/random", "/dev/hwrng")

_TICKS = 100
"""Units of time in ``/proc``, per second (sysconf(3), _SC_CLK_TCK)."""

_UTC_FILE = b"TZif2" + bytes(31) + b"\0\0\0\1\0\0\0\4"
_UTC_TYPE = bytes(6) + b"UTC\0"
"""The rules of UTC as tzfile(5) lays them out."""


def _up(run: RunContext) -> float:
    return run.clock.now_ns / NS_PER_SECOND


def _used_ticks(run: RunContext) -> int:
    return used_ns(run) * _TICKS // NS_PER_SECOND


def _memory(_run: RunContext) -> str:
    total = MEMORY_PAGES * 4
    kilobytes = {
        "MemTotal": total,
        "MemFree": total // 2,
        "MemAvailable": total // 4 * 3,
        **dict.fromkeys(("Buffers", "Cached", "SwapCached", "Active", "Inactive"), 0),
        **dict.fromkeys(("SwapTotal", "SwapFree", "Dirty", "Shmem", "Slab", "SReclaimable"), 0),
    }
    return "".join(f"{name + ':':16}{value:8} kB\n" for name, value in kilobytes.items())


def _processors(_run: RunContext) -> str:
    return "".join(
        f"processor\t: {number}\nmodel name\t: simulated\ncpu MHz\t\t: 1000.000\n"
        f"physical id\t: 0\ncore id\t\t: {number}\ncpu cores\t: {CPUS}\n\n"
        for number in range(CPUS)
    )


def _statistics(run: RunContext) -> str:
    ticks, used = int(_up(run) * _TICKS), _used_ticks(run)
    lines = [f"cpu  {used} 0 0 {ticks * CPUS - used} 0 0 0 0 0 0"]
    lines += [
        f"cpu{each} {0 if each else used} 0 0 {ticks if each else ticks - used} 0 0 0 0 0 0"
        for each in range(CPUS)
    ]
    lines += ["intr 0", "ctxt 0", f"btime {run.start_ns // NS_PER_SECOND}"]
    lines += ["processes 1", "procs_running 1", "procs_blocked 0", "softirq 0"]
    return "\n".join([*lines, ""])


def _network(_run: RunContext) -> str:
    head = "Inter-|   Receive                                                |  Transmit\n"
    head += " face |bytes    packets errs drop fifo frame compressed multicast"
    return f"{head}|bytes    packets errs drop fifo colls carrier compressed\n    lo:{' 0' * 16}\n"


def _constant_uuid(run: RunContext, name: str) -> uuid.UUID:
    seeded = random.Random(f"{run.entropy.seed}/{name}")  # noqa: S311 - a simulation
    return uuid.UUID(int=seeded.getrandbits(128), version=4)


def _zone(_run: RunContext) -> bytes:
    zone = zone_of_run()
    file = None if zone == UTC else zone_file(zone)
    if file is None:
        return _UTC_FILE + _UTC_TYPE + _UTC_FILE + _UTC_TYPE + b"\nUTC0\n"
    fd = _real_os_open(file, os.O_RDONLY)
    try:
        return os.read(fd, 1 << 20)
    finally:
        os.close(fd)


def _of_system(at: int) -> Callable[[RunContext], str]:
    return lambda _run: f"{os.uname()[at]}\n"


_FILES: dict[str, Callable[[RunContext], str | bytes]] = {
    "/proc/uptime": lambda run: (
        f"{_up(run):.2f} {_up(run) * CPUS - used_ns(run) / NS_PER_SECOND:.2f}\n"
    ),
    "/proc/loadavg": lambda run: f"0.00 0.00 0.00 1/1 {_who(run).pid}\n",
    "/proc/meminfo": _memory,
    "/proc/cpuinfo": _processors,
    "/proc/stat": _statistics,
    "/proc/vmstat": lambda _run: "pswpin 0\npswpout 0\n",
    "/proc/diskstats": lambda _run: "",
    "/proc/net/dev": _network,
    "/proc/version": lambda _run: " ".join([os.uname()[0], "version", *os.uname()[2:4]]) + "\n",
    "/proc/sys/kernel/ostype": _of_system(0),
    "/proc/sys/kernel/hostname": _of_system(1),
    "/proc/sys/kernel/osrelease": _of_system(2),
    "/proc/sys/kernel/version": _of_system(3),
    "/proc/sys/kernel/random/uuid": lambda run: (
        f"{uuid.UUID(bytes=run.entropy.draw(16), version=4)}\n"
    ),
    "/proc/sys/kernel/random/boot_id": lambda run: f"{_constant_uuid(run, 'boot')}\n",
    "/proc/sys/kernel/random/entropy_avail": lambda _run: "256\n",
    "/proc/sys/kernel/random/poolsize": lambda _run: "256\n",
    "/etc/hostname": _of_system(1),
    "/etc/machine-id": lambda run: f"{_constant_uuid(run, 'machine').hex}\n",
    "/var/lib/dbus/machine-id": lambda run: f"{_constant_uuid(run, 'machine').hex}\n",
    "/etc/timezone": lambda _run: f"{zone_of_run()}\n",
    "/etc/localtime": _zone,
    "/usr/share/zoneinfo/localtime": _zone,
}


def _process_statistics(run: RunContext) -> str:
    who = _who(run)
    head = f"{who.pid} (python) R {who.parent_pid} {who.group} {who.session} 0 -1 4194304 0 0 0 0"
    used = f"{_used_ticks(run)} 0 0 0 20 0 1 0 0 {RESIDENT_PAGES * 2 * 4096}"
    return f"{head} {used} {RESIDENT_PAGES} 18446744073709551615{' 0' * 27}\n"


def _process_status(run: RunContext) -> str:
    who = _who(run)
    size = RESIDENT_PAGES * 4
    ids = f"{UID}\t{UID}\t{UID}\t{UID}"
    return (
        f"Name:\tpython\nUmask:\t0022\nState:\tR (running)\nTgid:\t{who.pid}\nNgid:\t0\n"
        f"Pid:\t{who.pid}\nPPid:\t{who.parent_pid}\nTracerPid:\t0\nUid:\t{ids}\nGid:\t{ids}\n"
        f"FDSize:\t64\nVmPeak:\t{size * 2:8} kB\nVmSize:\t{size * 2:8} kB\nVmHWM:\t{size:8} kB\n"
        f"VmRSS:\t{size:8} kB\nVmData:\t{size:8} kB\nVmSwap:\t{0:8} kB\nThreads:\t1\n"
        "Cpus_allowed:\tf\nCpus_allowed_list:\t0-3\n"
        "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n"
    )


_OF_PROCESS: dict[str, Callable[[RunContext], str | bytes]] = {
    "stat": _process_statistics,
    "statm": lambda _run: f"{RESIDENT_PAGES * 2} {RESIDENT_PAGES} 6400 1 0 {RESIDENT_PAGES} 0\n",
    "status": _process_status,
    "io": lambda _run: "".join(
        f"{name}: 0\n"
        for name in (
            *("rchar", "wchar", "syscr", "syscw"),
            *("read_bytes", "write_bytes", "cancelled_write_bytes"),
        )
    ),
    "schedstat": lambda _run: "0 0 0\n",
}


def _who(run: RunContext) -> Identity:
    assert run.identity is not None
    return run.identity.of_caller()


def _own_file(run: RunContext, path: str) -> str | None:
    """Return which file of the program's own process a path is."""
    _, _, number, *rest = path.split("/")
    own = ("self", "thread-self", str(real_pid()), str(_who(run).pid))
    return "/".join(rest) if number in own else None


def _find(run: RunContext, path: str) -> Callable[[RunContext], str | bytes] | None:
    """Return what makes the text of a file, or None for one that has none."""
    made = _FILES.get(path)
    if made is None and path.startswith("/proc/") and run.identity is not None:
        return _OF_PROCESS.get(_own_file(run, path) or "")
    return made


_ARE_HERE = hasattr(os, "memfd_create")
"""Whether this is Linux, whose files these are."""


def _path_of(file: Any) -> str:
    """Return a path that may be one of these, or nothing; on other systems there are none."""
    if not _ARE_HERE or not isinstance(file, (str, bytes, os.PathLike)):
        return ""
    path = os.path.normpath(os.fsdecode(file))
    return path if f"{path}/".startswith(_HERE) else ""


def tells_of_machine(file: Any) -> bool:
    """Return whether a path is one that has a text here."""
    return _path_of(file) in _FILES


def _in_memory(text: str | bytes) -> int:
    """Return a descriptor of a file in memory that holds a text."""
    fd = os.memfd_create("simloop", os.MFD_CLOEXEC)
    os.write(fd, text.encode() if isinstance(text, str) else text)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


_let_through: list[int] = []
"""Threads that open a file in memory, under the path of the real one."""


def _open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
    path = _path_of(file) if get_ident() in by_thread else ""
    run = run_on_machine() if path and not set(mode) & set("wax+") else None
    find = None if run is None or len(args) > _OPENER_AT else _find(run, path)
    if run is None or find is None or kwargs.get("opener") is not None:
        return _real_open(file, mode, *args, **kwargs)
    text = find(run)
    kwargs["opener"] = lambda _path, _flags: _in_memory(text)
    _let_through.append(get_ident())
    try:
        return _real_open(file, mode, *args, **kwargs)
    finally:
        _let_through.remove(get_ident())


_OPENER_AT = 5
"""Where ``open`` has its argument ``opener``, behind the mode."""


def _os_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
    known = _path_of(path) if get_ident() in by_thread else ""
    run = run_on_machine() if known and not flags & _WRITING else None
    find = None if run is None else _find(run, known)
    if run is None or find is None:
        return _real_os_open(path, flags, *args, **kwargs)
    return _in_memory(find(run))


def refuse_machine_file(file: Any, flags: int) -> None:
    """Refuse to open or list what tells of the real machine, or would change it."""
    path = _path_of(file)
    if not path or path.startswith("/dev/shm") or get_ident() in _let_through:  # noqa: S108
        return
    run = by_thread[get_ident()]
    is_told = path in _FILES or path in _RANDOM or f"{path}/".startswith(("/proc/", "/sys/"))
    if not is_told or (path.startswith("/etc/") and flags & _WRITING):
        return
    if path.startswith("/proc/") and run.identity is not None:
        name = _own_file(run, path)
        if name is not None and name.split("/")[0] in _GIVEN:
            return
    if not is_allowed("machine") and not is_allowed("subprocess"):
        reason = "it draws from the real machine" if path in _RANDOM else "the machine is real"
        raise escape(f"open({path!r})", reason, "machine")


_real_open = redirect(builtins.open, _open)
_real_os_open = redirect(os.open, _os_open)

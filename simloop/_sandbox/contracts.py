"""What a sandbox needs of the world that it stands in for: one protocol for each part.

Owns: the protocols, and the check that an object fulfils one. They are complete: a part is given
whole or not at all (``None``), so that no call of a run looks for a method that may be there. What
the world has no answer for is refused by name, where the real function is redirected.

Must not know: how a part does what it promises.

Invariant: a part that lacks a method is refused when the sandbox is made, not in the middle of a
run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from simloop.errors import UsageError

if TYPE_CHECKING:
    import os
    import random
    import socket
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "Adopted",
    "Clock",
    "ClockLimits",
    "Identity",
    "Signals",
    "SocketPath",
    "SocketPaths",
    "Sockets",
    "Streams",
    "Threads",
    "Waiter",
    "check_contract",
]


class ClockLimits(Protocol):
    """The limits of a run that hold for reading clocks."""

    clock_reads: int
    """How often a clock may be read at one instant in one step before time passes."""
    clock_tick_ns: int
    """How long each reading takes."""
    reads_unseen: int
    """How many reads a thread has before the first look at what they come to."""
    livelock_steps: int
    """How many turns may wait for a time by reading the clock."""
    time_max_ns: int
    """How far the clock may go."""


class Clock(Protocol):
    """The virtual clock, as a run's functions of time use it."""

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the world began; read at each call."""

    def now_s(self) -> float:
        """Return the same in float seconds, as the clock shows them."""

    @property
    def limits(self) -> ClockLimits:
        """The limits of the run, by which reading a clock again and again comes to an end."""

    @property
    def steps(self) -> int:
        """How many steps of the loop's thread have begun."""

    def block(self, duration_ns: int, /) -> None:
        """Do what ``time.sleep`` does: let that much time pass while nothing else runs."""


class Streams(Protocol):
    """The named random streams of one seed."""

    seed: int | str

    def stream(self, name: str, /) -> random.Random:
        """Return the stream of that name, the same one each time."""

    def begin(self, generator: random.Random, name: str, /) -> None:
        """Put a generator into the state in which the stream of that name begins."""


class Identity(Protocol):
    """The process that a thread belongs to, as the system's functions tell it."""

    pid: int
    group: int
    session: int

    @property
    def parent_pid(self) -> int:
        """The number of the process that started it; 1 where that is no process of the world."""

    @property
    def signals(self) -> Signals:
        """What it does on each signal; made when that is first asked for."""

    main_thread: Any
    """What ``threading.main_thread()`` returns in it; None for the real one."""

    calls_exit_functions: bool
    """Whether what is registered for its end is called when it ends, not with the interpreter."""
    exit_functions: Any
    """What is registered for its end, once something is."""

    def has_own_copy_of(self, name: str, /) -> bool:
        """Return whether the module with this name is imported for it alone."""

    def took_place(self) -> None:
        """Put in place what the interpreter keeps once, because a step of it comes."""

    def left_place(self) -> None:
        """Put back what was there, because a step of another process comes."""

    def follow(self, before: Identity) -> None:
        """Do both, for another process and for this one: it was the other's turn until now."""

    def of_caller(self) -> Identity:
        """Return the process of the code that runs: this one, or a program that shares its loop."""

    def uname(self) -> tuple[str, str, str, str, str]:
        """Return system, host name, release, version and machine."""


class SocketPath(Protocol):
    """What is known of the path of a virtual UNIX socket."""

    number: int
    """Which entry it is."""


class SocketPaths(Protocol):
    """Paths that are names of virtual UNIX sockets; other paths are real.

    A path is a text, relative to the folder of a descriptor where one is given with it.
    """

    @property
    def names(self) -> object:
        """Something, or None as long as no path is the name of a socket."""

    def find(self, path: str, dir_fd: int | None, /, *, follow: bool) -> SocketPath | None:
        """Return the entry that a path leads to, or None for one that is real."""

    def names_in(self, folder: tuple[int, int], /) -> Mapping[str, Any]:
        """Return the entries in a folder, which is known by its device and number."""

    def status(self, entry: Any, /) -> os.stat_result:
        """Return the status of an entry."""

    def access(self, entry: Any, mode: int, /) -> bool:
        """Return whether the owner may do what ``mode`` asks for."""

    def unlink(self, path: str, dir_fd: int | None, /) -> None:
        """Remove a path."""

    def chmod(self, entry: Any, mode: int, /) -> None:
        """Set the mode of an entry."""

    def chown(self, entry: Any, uid: int, gid: int, /) -> None:
        """Set the owner of an entry."""

    def utime(self, entry: Any, times_ns: tuple[int, int] | None, /) -> None:
        """Set when an entry was read and changed; now, if None."""

    def rename(
        self, path: str, target: str, dir_fd: int | None, target_dir_fd: int | None, /
    ) -> None:
        """Give a path another name, in place of the socket that had that."""

    def drop(self, path: str, dir_fd: int | None, /) -> None:
        """Forget the socket at a path that something real was put in place of."""

    def link(self, entry: Any, target: str, dir_fd: int | None, /) -> None:
        """Give an entry one more path."""

    def umask(self, mask: int, /) -> None:
        """Take these bits from the modes of new paths."""


class Sockets(Protocol):
    """Who stands in for the system's sockets, names and descriptors in a run.

    All methods take what the system's take and raise what it raises.
    """

    socket_class: type[socket.socket]
    """Made by ``socket_class.__new__(cls)`` and ``__init__(family, type, proto, fileno)``.

    What ``_socket.socket`` does in C, a class after ``socket.socket`` in its order of look-up does.
    """

    files: Any
    """The calls on files, where the host has a disk of its own; None where files are real."""

    @property
    def paths(self) -> SocketPaths:
        """The paths that are names of sockets."""

    def socketpair(self, family: int, type: int, proto: int, /) -> tuple[Any, Any]:  # noqa: A002
        """Return two connected sockets, of any class that has ``detach()``."""

    def pipe(self) -> tuple[int, int]:
        """Make a pipe; return the descriptors to read from and to write to."""

    def keep_ports(self) -> Callable[[], None]:
        """Return what has ports given out as if none had been asked for since."""

    # Names

    def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the system's name
        proto: int = 0,
        flags: int = 0,
        /,
    ) -> list[tuple[int, int, int, str, tuple[Any, ...]]]:
        """Resolve a name from the world's table."""

    def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int, /) -> tuple[str, str]:
        """Resolve an address."""

    def gethostname(self) -> str:
        """Return the name of the host that runs."""

    def gethostbyname(self, hostname: str, /) -> str:
        """Resolve a name to an IPv4 address."""

    def gethostbyname_ex(self, hostname: str, /) -> tuple[str, list[str], list[str]]:
        """Resolve a name to all its IPv4 addresses."""

    def gethostbyaddr(self, ip_address: str, /) -> tuple[str, list[str], list[str]]:
        """Resolve an address to its names."""

    def delay_of(self, host: object, /) -> float:
        """Return the seconds that a lookup of a name takes."""

    def getservbyname(self, servicename: str, protocolname: str = "", /) -> int:
        """Return the port of a service."""

    def getservbyport(self, port: int, protocolname: str = "", /) -> str:
        """Return the service of a port."""

    def getprotobyname(self, protocolname: str, /) -> int:
        """Return the number of a protocol."""

    def if_nameindex(self) -> list[tuple[int, str]]:
        """List the interfaces."""

    def if_nametoindex(self, name: str, /) -> int:
        """Return the number of an interface."""

    def if_indextoname(self, index: int, /) -> str:
        """Return the name of an interface."""

    def interface_addresses(self) -> list[tuple[str, str]]:
        """List the interfaces' names with their addresses and nets: ``("lo", "127.0.0.1/8")``."""

    # Descriptors

    def owns(self, fd: int, /) -> bool:
        """Return whether this descriptor is virtual."""

    def dup(self, fd: int, /) -> int:
        """Return another descriptor of the same file."""

    def read(self, fd: int, size: int, /) -> bytes:
        """Read from a virtual descriptor."""

    def readv(self, fd: int, buffers: Iterable[Any], /) -> int:
        """Read into several buffers, one after the other."""

    def readinto(self, fd: int, buffer: Any, /) -> int:
        """Read into a buffer."""

    def write(self, fd: int, data: Any, /) -> int:
        """Write to a virtual descriptor."""

    def writev(self, fd: int, buffers: Iterable[Any], /) -> int:
        """Write several buffers as one."""

    def close(self, fd: int, /) -> None:
        """Close a virtual descriptor."""

    def poll(self, fd: int, /) -> int:
        """Return the events that ``poll(2)`` would report now for a virtual descriptor."""

    def watch(self, fd: int, callback: Callable[[], None], /) -> Callable[[], None]:
        """Have ``callback`` called when ``poll`` may answer otherwise; return what ends that."""

    def set_blocking(self, fd: int, blocking: bool, /) -> None:  # noqa: FBT001 - the system's
        """Let reads and writes of a descriptor wait, or not."""

    def get_blocking(self, fd: int, /) -> bool:
        """Return whether reads and writes of a descriptor wait."""

    def set_inheritable(self, fd: int, inheritable: bool, /) -> None:  # noqa: FBT001 - the system's
        """Let a program that is started have the descriptor, or not."""

    def get_inheritable(self, fd: int, /) -> bool:
        """Return what ``set_inheritable`` set."""

    def fcntl(self, fd: int, cmd: int, arg: Any = 0, /) -> int:
        """Set or return the flags of a descriptor."""

    def ioctl(self, fd: int, request: int, arg: Any = 0, mutate: object = True, /) -> int | bytes:  # noqa: FBT002 - the system's
        """Set flags of a descriptor in the older way."""

    def isatty(self, fd: int, /) -> bool:
        """Return whether the descriptor is a terminal's."""

    def fstat(self, fd: int, /) -> os.stat_result:
        """Return the status of a descriptor."""

    def fdopen(self, fd: int, /, *args: Any, **kwargs: Any) -> Any:
        """Open a descriptor as a file object."""

    def device_encoding(self, fd: int, /) -> Any:
        """Return the encoding of a terminal, or None."""

    def fault_of(self, name: str, /) -> OSError | None:
        """Return the error that a call of ``os`` gives on each socket and pipe, or None."""


class Signals(Protocol):
    """Who stands in for the process's signal handlers in a run.

    ``kill``, ``killpg``, ``getpgid`` and ``waitpid`` return ``NotImplemented`` for a process that
    is not the world's, ``setitimer`` and ``getitimer`` for timers that are not by its clock.
    """

    def alarm(self, seconds: int, /) -> int:
        """Have SIGALRM sent once; return how many seconds were left."""

    def getitimer(self, which: int, /) -> Any:
        """Return what is left of an interval timer, and its interval."""

    def setitimer(self, which: int, seconds: float, interval: float = 0.0, /) -> Any:
        """Have a signal sent by the clock; return what :meth:`getitimer` did."""

    def signal(self, signum: int, handler: Any, /) -> Any:
        """Set a handler; returns the one before."""

    def getsignal(self, signum: int, /) -> Any:
        """Return the handler that is set."""

    def raise_signal(self, signum: int, /) -> None:
        """Send a signal to the run's own process."""

    def siginterrupt(self, signum: int, flag: bool, /) -> None:  # noqa: FBT001 - the system's
        """Let a signal interrupt calls of the system, or not."""

    def set_wakeup_fd(self, fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
        """Have the number of each signal written to a descriptor; returns the one before."""

    def kill(self, pid: int, signum: int, /) -> Any:
        """Send a signal to a process."""

    def killpg(self, pgid: int, signum: int, /) -> Any:
        """Send a signal to a group of processes."""

    def getpgid(self, pid: int, /) -> Any:
        """Return the group of a process."""

    def waitpid(self, pid: int, options: int, /) -> Any:
        """Wait for a process."""


class Waiter(Protocol):
    """One wait of one thread."""

    @property
    def awake(self) -> bool:
        """Whether it was woken already."""

    def park(self) -> bool:
        """Block the calling thread until woken; false if there is no time left."""

    def wake(self) -> None:
        """Let the thread try again; from any thread."""

    def end(self) -> None:
        """End the wait."""


class Adopted(Protocol):
    """A thread that is about to begin inside a run."""

    ident: int
    """The thread's real identifier, known to its starter before the thread itself begins."""
    number: int
    """Which thread of its world it is, counted from 1; the one that runs the loops is 0."""
    joined_by: object
    """By what others join it: its :class:`threading.Thread`, or its handle if it has none."""

    def main(self, function: Callable[..., object], /, *args: Any, **kwargs: Any) -> None:
        """Be the new thread's whole life."""

    def abandon(self) -> None:
        """Forget it: it could not be started."""


class Threads(Protocol):
    """Which thread of a run goes on, and how the others wait."""

    is_foreign: bool
    """Whether the threads wait for real, and only want to be seen."""

    def waiter(self, thing: object, timeout_ns: int | None, /) -> Waiter:
        """Prepare the calling thread's wait for a thing."""

    def adopt(self, function: Callable[..., object], /) -> Adopted | None:
        """Take in a thread that will run ``function``; None: it stays foreign."""

    def ended(self, joined_by: object, /) -> object | None:
        """Return what a thread's end is waited for by, or None for foreign threads and old ones.

        The thing is true when the thread has ended. It is asked for by the thread's object: the
        system uses an identifier again as soon as a thread has ended.
        """

    def threads_of(self, identity: object, /) -> list[object]:
        """List what the threads of a process that have not ended are waited for by."""

    def check_join(self, joined_by: object, /) -> None:
        """Refuse to wait for the end of a thread that ended because its run was over.

        Raises:
            UsageError: It did, so what was asked of it is not done.
        """

    def for_real(self) -> Any:
        """Return a context in which the calling thread is outside, and waits for real."""

    def works(self, future: Any, /) -> None:
        """Count real work that was begun inside the run, until its future is done."""

    def when_ended(self, give_back: Callable[[], bool], /) -> None:
        """Call a function, outside, when threads of the run have ended, until it returns true."""

    def limit_s(self) -> float:
        """Return for how many real seconds the run waits for what it can't see."""

    def is_ending(self) -> bool:
        """Return whether the calling thread has been told to end, because its run is over."""

    def call_when_on(self, ident: int, call: Callable[[], object] | None, /) -> bool:
        """Have a function called by another thread when it next goes on; false if it is not ours.

        Args:
            ident: The thread's real identifier.
            call: The function, in place of one that was not called yet; None for none.
        """

    def waits_for_real_work(self) -> bool:
        """Wait a moment, really, if the clock is to stand still for real work; false if not."""


def check_contract(part: object, contract: type) -> None:
    """Refuse a part that lacks something of its contract.

    Raises:
        UsageError: Something is missing; it is named.
    """
    names = [name for name in vars(contract) if not name.startswith("_")]
    names += [name for name in contract.__annotations__ if name not in names]
    missing = [name for name in names if not hasattr(part, name)]
    if missing:
        raise UsageError(
            f"{part!r} cannot be the {contract.__name__.lower()} of a sandbox: it lacks"
            f" {', '.join(missing)}; see simloop._sandbox.contracts.{contract.__name__}"
        )

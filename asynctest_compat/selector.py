"""Mocks of files and sockets, and a selector that serves them beside real ones.

Owns: virtual file descriptors, the mocks that carry them, ``TestSelector``, and the check
``active_selector_callbacks``. It must not know the test case or a particular loop: of a loop it
uses ``_selector``, ``_process_events`` and ``call_soon_threadsafe``, which asyncio's selector loops
and SimLoop have.

Invariants:

- A ``FileDescriptor`` equals the int of its value but does not hash like it, so that one selector
  can hold both.
- A mock never reaches the selector that a ``TestSelector`` wraps; everything else does.
"""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import _fail_on, mock

if TYPE_CHECKING:
    from selectors import SelectorKey

__all__ = [
    "FileDescriptor",
    "FileMock",
    "SSLSocketMock",
    "SocketMock",
    "TestSelector",
    "fail_on_active_selector_callbacks",
    "fail_on_before_test_active_selector_callbacks",
    "fd",
    "get_registered_events",
    "isfilemock",
    "set_read_ready",
    "set_write_ready",
]


class FileDescriptor(int):
    """The virtual file descriptor of a ``FileMock``.

    Without an argument it takes the value of ``next_fd``, which is always one more than the highest
    so far.

    >>> highest = FileDescriptor()
    >>> FileDescriptor() == highest + 1
    True
    """

    next_fd: ClassVar[int] = 0

    def __new__(cls, *args: Any, **kwargs: Any) -> FileDescriptor:  # noqa: PYI034  # as int has it
        """Take the next number, or the one that is given."""
        if not args and not kwargs:
            args = (FileDescriptor.next_fd,)
        made = super().__new__(cls, *args, **kwargs)
        FileDescriptor.next_fd = max(FileDescriptor.next_fd, made + 1)
        return made

    # Defining __hash__ alone keeps int's equality.
    def __hash__(self) -> int:
        return hash(("FileDescriptor", int(self)))


def fd(fileobj: Any) -> int:
    """Return the descriptor of a ``FileMock`` or a file: itself, or what its ``fileno()`` gives.

    Raises:
        ValueError: There is none; a plain int is none either.

    """
    if isinstance(fileobj, FileDescriptor):
        return fileobj
    try:
        descriptor: int = fileobj.fileno()
    except Exception as error:
        raise ValueError(
            f"no file descriptor in {fileobj!r}: give a FileMock, a FileDescriptor or a file object"
        ) from error
    return descriptor


def isfilemock(obj: Any) -> bool:
    """Return whether ``obj``, or what its ``fileno()`` gives, is a ``FileDescriptor``."""
    if isinstance(obj, FileDescriptor):
        return True
    fileno = getattr(obj, "fileno", None)
    return fileno is not None and isinstance(fileno(), FileDescriptor)


class FileMock(mock.Mock):
    """Mock a file-like object: ``fileno()`` gives a ``FileDescriptor`` of its own.

    Together with ``TestSelector`` and ``set_read_ready`` or ``set_write_ready`` a test plays the
    events of a file. Attributes are plain ``Mock`` objects.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fileno.return_value = FileDescriptor()

    def _get_child_mock(self, /, *args: Any, **kwargs: Any) -> Any:
        child = self._class_of_child(kwargs)
        return (mock.Mock if issubclass(child, FileMock) else child)(*args, **kwargs)


class SocketMock(FileMock):
    """Mock a ``socket.socket``.

    Its ``type`` decides what a loop takes it for. As long as nobody sets it, the mock passes for
    whatever is expected, a stream or a datagram socket.
    """

    _mocked: ClassVar[type] = socket.socket

    def __init__(  # asynctest's signature
        self,
        side_effect: Any = None,
        return_value: Any = mock.DEFAULT,
        wraps: Any = None,
        name: str | None = None,
        spec_set: Any = None,
        parent: Any = None,
        **kwargs: Any,
    ) -> None:
        spec = {} if spec_set is not None else {"spec": self._mocked}
        super().__init__(
            side_effect=side_effect,
            return_value=return_value,
            wraps=wraps,
            name=name,
            spec_set=spec_set,
            parent=parent,
            **spec,
            **kwargs,
        )
        if "type" not in kwargs and isinstance(getattr(self, "type", None), mock.Mock):
            # Loops compare it: they refuse what is not SOCK_STREAM, or what is.
            self.type.__ne__ = lambda _self, _other: False


class SSLSocketMock(SocketMock):
    """Mock an ``ssl.SSLSocket``. See ``SocketMock``."""

    _mocked = ssl.SSLSocket


class TestSelector(selectors.BaseSelector):
    """A selector that holds mocks itself and leaves everything else to the one that it wraps.

        loop._selector = asynctest.TestSelector(loop._selector)

    Args:
        selector: Any selector, to serve real files too; what it holds already is seen here too.
            Without one, all objects are held here and ``select`` never finds any ready.

    """

    __test__ = False  # pytest collects what is called Test...

    def __init__(self, selector: Any = None) -> None:
        self._selector = selector
        self._fd_to_key: dict[int, SelectorKey] = {}
        known = selector.get_map() if selector is not None else None
        if isinstance(known, Mapping):
            self._fd_to_key.update((key.fd, key) for key in known.values())
        self._map = _Keys(self)

    def __repr__(self) -> str:
        return f"<TestSelector of {self._selector!r}>"

    def _fileobj_lookup(self, fileobj: Any) -> int:
        if isinstance(fileobj, int):  # a FileDescriptor stays one
            return fileobj
        for key in self._fd_to_key.values():
            if key.fileobj is fileobj:  # it may be closed by now, and have no descriptor any more
                return key.fd
        return fd(fileobj)

    def _holds(self, fileobj: Any) -> bool:
        return self._selector is None or isfilemock(fileobj)

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """Watch ``fileobj``: here if it is a mock, else in the wrapped selector.

        Raises:
            KeyError: It is registered already.
            ValueError: There is no such event, or no file descriptor.

        """
        if not self._holds(fileobj):
            key: SelectorKey = self._selector.register(fileobj, events, data)
            self._note(key)
            return key
        if not events or events & ~(selectors.EVENT_READ | selectors.EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        key = selectors.SelectorKey(fileobj, self._fileobj_lookup(fileobj), events, data)
        if key.fd in self._fd_to_key:
            raise KeyError(f"{fileobj!r} (FD {key.fd}) is already registered")
        self._fd_to_key[key.fd] = key
        return key

    def unregister(self, fileobj: Any) -> SelectorKey:
        """Stop watching ``fileobj`` and return its key.

        Raises:
            KeyError: It is not registered.

        """
        if not self._holds(fileobj):
            key: SelectorKey = self._selector.unregister(fileobj)
            self._fd_to_key.pop(getattr(key, "fd", -1), None)
            return key
        try:
            return self._fd_to_key.pop(self._fileobj_lookup(fileobj))
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """Change what is watched of ``fileobj``; when that fails, it is watched no more here.

        Raises:
            KeyError: It is not registered.

        """
        if self._holds(fileobj):
            self.unregister(fileobj)
            return self.register(fileobj, events, data)
        self._fd_to_key.pop(self._fileobj_lookup(fileobj), None)
        key: SelectorKey = self._selector.modify(fileobj, events, data)
        self._note(key)
        return key

    def _note(self, key: SelectorKey | None) -> None:
        if key:
            self._fd_to_key[key.fd] = key

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Ask the wrapped selector; without one nothing is ever ready, and nothing waits."""
        if self._selector is None:
            return []
        ready: list[tuple[SelectorKey, int]] = self._selector.select(timeout)
        return ready

    def close(self) -> None:
        """Close the wrapped selector and forget all mocks."""
        if self._selector is not None:
            self._selector.close()
        self._fd_to_key.clear()

    def get_map(self) -> Mapping[Any, SelectorKey]:
        """Return the keys of all that is registered, by file object or descriptor."""
        return self._map


class _Keys(Mapping[Any, "SelectorKey"]):
    """What a ``TestSelector`` holds and knows to be held, live."""

    def __init__(self, selector: TestSelector) -> None:
        self._of = selector

    def __len__(self) -> int:
        return len(self._of._fd_to_key)

    def __getitem__(self, fileobj: Any) -> SelectorKey:
        try:
            return self._of._fd_to_key[self._of._fileobj_lookup(fileobj)]
        except (KeyError, ValueError):
            raise KeyError(f"{fileobj!r} is not registered") from None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._of._fd_to_key)


def _make_ready(fileobj: Any, loop: Any, event: int) -> None:
    if not hasattr(loop, "_selector"):
        raise TypeError(
            f"{loop!r} has no selector that could find {fileobj!r} ready: use a SimLoop, or a"
            " selector loop of asyncio"
        )
    # A selector would be asked at the start of the next iteration: let this one end first.
    loop.call_soon_threadsafe(_process_event, fileobj, loop, event)


def _process_event(fileobj: Any, loop: Any, event: int) -> None:
    key = loop._selector.get_map().get(fileobj)
    if key is not None:
        loop._process_events([(key, event)])


def set_read_ready(fileobj: Any, loop: Any) -> None:
    """Mark ``fileobj`` (a ``FileMock`` or a file) as ready to be read for ``loop``.

    The callback of ``add_reader`` runs in one of the next iterations, also if it is registered only
    in this one; if there is none, nothing happens.

    >>> import asyncio
    >>> loop = asyncio.SelectorEventLoop()
    >>> loop._selector = TestSelector(loop._selector)
    >>> sock = SocketMock()
    >>> sock.recv.return_value = b"Data"
    >>> def read_ready(sock):
    ...     print("received:", sock.recv(1024))
    ...     loop.stop()
    >>> loop.add_reader(sock, read_ready, sock)
    >>> set_read_ready(sock, loop)
    >>> loop.run_forever()
    received: b'Data'
    >>> loop.close()
    """
    _make_ready(fileobj, loop, selectors.EVENT_READ)


def set_write_ready(fileobj: Any, loop: Any) -> None:
    """Mark ``fileobj`` as ready to be written to for ``loop``. See ``set_read_ready``."""
    _make_ready(fileobj, loop, selectors.EVENT_WRITE)


def get_registered_events(selector: Any) -> set[SelectorKey]:
    """Return the keys of all that a ``TestSelector`` and the selector in it hold."""
    return set(_keys_of(selector))


def _format_callbacks(key: SelectorKey) -> list[str]:
    reader, writer = key.data if isinstance(key.data, tuple) else (key.data, key.data)
    lines = []
    if key.events & selectors.EVENT_READ and not _is_loop_s_own(reader):
        lines.append(f"add_reader({key.fileobj}, {_format_handle(reader)})")
    if key.events & selectors.EVENT_WRITE and not _is_loop_s_own(writer):
        lines.append(f"add_writer({key.fileobj}, {_format_handle(writer)})")
    return lines


def _is_loop_s_own(handle: Any) -> bool:
    """Return whether it is private to a loop, a transport or a server, not a test's own."""
    callback = getattr(handle, "_callback", handle)
    owner = getattr(callback, "__self__", None)
    module = getattr(callback, "__module__", None) if owner is None else type(owner).__module__
    is_private = getattr(callback, "__name__", "").startswith("_")
    return is_private and str(module).partition(".")[0] in ("asyncio", "simloop")


def _format_handle(handle: Any) -> str:
    callback = getattr(handle, "_callback", handle)
    arguments = getattr(handle, "_args", None) or ()
    name = getattr(callback, "__qualname__", None) or repr(callback)
    return f"{name}({', '.join(map(repr, arguments))})"


def fail_on_before_test_active_selector_callbacks(case: Any) -> None:
    """Note what is registered before the test."""
    selector = getattr(case.loop, "_selector", None)
    case._active_selector_callbacks = [] if selector is None else _keys_of(selector)


def fail_on_active_selector_callbacks(case: Any) -> None:
    """Fail if the test registered a reader or a writer and did not remove it.

    What transports and servers have registered for themselves does not count: nothing can remove it
    by ``remove_reader``, and suites close these in cleanups, which come later.
    """
    selector = getattr(case.loop, "_selector", None)
    if selector is None:
        return  # a loop without a selector: nothing to be seen
    known = case._active_selector_callbacks
    left = [key for key in _keys_of(selector) if key not in known]
    lines = [line for key in left for line in _format_callbacks(key)]
    if lines:
        lines.insert(0, "some events watched during the tests were not removed:")
        case.fail("\n - ".join(lines))


def _keys_of(selector: Any) -> list[SelectorKey]:
    # A list, since a key need not hash: its data is what was registered with it.
    keys: list[SelectorKey] = []
    inner = getattr(selector, "_selector", None)
    for one in (selector, inner):
        known = one.get_map() if one is not None else None
        if isinstance(known, Mapping):
            keys += [key for key in known.values() if key not in keys]
    return keys


_fail_on.DEFAULTS["active_selector_callbacks"] = True
_fail_on._fail_on.active_selector_callbacks = staticmethod(  # type: ignore[attr-defined]  # how checks are added
    fail_on_active_selector_callbacks
)
_fail_on._fail_on.before_test_active_selector_callbacks = staticmethod(  # type: ignore[attr-defined]  # the same
    fail_on_before_test_active_selector_callbacks
)

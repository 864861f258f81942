"""Real libraries, client and server in one SimLoop: each body runs twice, with one digest."""

from __future__ import annotations

import gc
import os
import socket
import sys
import warnings

import pytest

import simloop
from simloop.net import VirtualSocket

from .sealed import NO_FILTERS, SEALED, seal

WATCHED = ("socket.", "subprocess.", "os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.kill")
WATCHED += ("os.system", "os.pidfd", "signal.", "time.sleep", "fcntl.", "pty.")
HARMLESS = ("socket.gethostname", "signal.pthread_sigmask", "fcntl.flock", "fcntl.lockf")

_counted: list[tuple[str, str]] = []
_is_counting = False


def _count(event, args):
    if _is_counting and event.startswith(WATCHED) and event not in HARMLESS:
        if args and isinstance(args[0], VirtualSocket):
            return
        _counted.append((event, repr(args)))


@pytest.fixture(scope="session")
def counting(tmp_path_factory):
    """Hear of every call that Python announces; seal the process, if that was asked for."""
    sys.addaudithook(_count)
    tmp_path_factory.getbasetemp()  # Asks the system who the user is, by a socket perhaps.
    if SEALED in os.environ and not seal():
        pytest.skip(NO_FILTERS)


@pytest.fixture
def live(counting):
    """Run a coroutine function in two worlds of one seed; nothing real may be touched."""

    def run(main, *, is_same=True, **options):
        global _is_counting  # noqa: PLW0603 - the hook can't be taken back, only be quiet
        _counted.clear()
        _is_counting = True
        try:
            outcomes = [simloop.simulate(main, **options) for _ in range(2)]
        finally:
            _is_counting = False
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        assert _counted == []
        assert outcomes[0].digest == outcomes[1].digest or not is_same
        return outcomes[0]

    yield run
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What a library leaves open is not ours.
        gc.collect()


assert socket.socket, "imported before the hook listens"

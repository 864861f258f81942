"""Real libraries, client and server in one SimLoop: each body runs twice, with one digest."""

from __future__ import annotations

import socket
import sys

import pytest

import simloop

REAL = ("socket.__new__", "socket.connect", "socket.bind", "subprocess.Popen", "os.posix_spawn")


@pytest.fixture
def live():
    """Run a coroutine function in two worlds of one seed; nothing real may be touched."""
    touched = []
    is_on = False

    def audit(event, args):
        if is_on and event in REAL and not isinstance(args[0], _virtual()):
            touched.append((event, args))

    def run(main, **options):
        nonlocal is_on
        is_on = True
        try:
            outcomes = [simloop.simulate(main, **options) for _ in range(2)]
        finally:
            is_on = False
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        assert outcomes[0].digest == outcomes[1].digest
        assert not touched
        return outcomes[0]

    sys.addaudithook(audit)
    return run


def _virtual():
    from simloop.net import VirtualSocket

    return VirtualSocket


assert socket.socket, "imported before the hook listens"

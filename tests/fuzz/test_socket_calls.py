"""Random programs of socket calls are answered here as by the kernel of this machine."""

from __future__ import annotations

import pytest

from .comparing import budget, search
from .socket_programs import programs

PROGRAMS = 1000

FOUND = {
    "bytes unread": [
        *[
            ("meet", 0, 0),
            ("send", 0, 1),
            ("queued", 1, 0),
            ("listen_here", 0, 0),
            ("queued", 2, 0),
        ],
    ],
    "bytes unread of packets": [
        *[("open_pair", 0, 2), ("send", 0, 1), ("send", 0, 3), ("queued", 1, 0)],
        *[("open_pair", 0, 1), ("send", 2, 1), ("send", 2, 3), ("queued", 3, 0), ("queued", 2, 0)],
    ],
    "bytes unread of a pipe": [
        *[("open_pipe", 0, 0), ("write", 1, 3), ("queued", 0, 0), ("queued", 1, 0)],
        *[("close", 0, 0), ("queued", 0, 0)],
    ],
    "a lingering end is switched off": [("open", 0, 0), ("linger", 0, 3), ("linger", 0, 0)],
    "files that a read of all takes": [("meet", 5, 9), ("pass_on", 1, 11), ("recv", 0, 19)],
    "files that a look at bytes shows": [
        *[("meet", 5, 51), ("pass_on", 4, 29), ("recvmsg", 5, 39), ("recvmsg", 5, 39)],
        *[("recvmsg", 5, 33), ("recvmsg", 5, 33)],
    ],
    "files that a look at a packet shows": [
        *[("open_pair", 0, 2), ("pass_on", 1, 13), ("recvmsg", 0, 37), ("recvmsg", 0, 31)],
        *[("open_pair", 0, 1), ("pass_on", 3, 13), ("recvmsg", 2, 37), ("recvmsg", 2, 7)],
    ],
    "files that a read of nothing takes": [
        *[("meet", 2, 9), ("pass_on", 1, 16), ("recvmsg", 0, 38), ("recvmsg", 0, 38)],
        ("recvmsg", 0, 31),
    ],
    "a pipe by thousands": [("open_pipe", 0, 0), ("fill", 1, 0), ("read", 0, 3), ("read", 0, 4)],
    "a full pipe without a reader": [
        *[("open_pipe", 5, 26), ("fill", 1, 49), ("close", 0, 46), ("queued", 0, 0)],
    ],
    "a stream fills a buffer by its memory": [
        *[("open_pair", 0, 0), ("fill", 0, 0), ("queued", 1, 0), ("read", 1, 3), ("fill", 0, 1)],
        *[("open_pair", 0, 0), ("fill", 2, 1), ("queued", 3, 0), ("read", 3, 5), ("fill", 2, 0)],
        *[("open_pair", 0, 0), ("fill", 4, 2), ("queued", 5, 0), ("read", 5, 4), ("send", 4, 5)],
    ],
    "a stream with a buffer of another size": [
        *[("open_pair", 0, 0), ("set", 0, 15), ("fill", 0, 2), ("queued", 1, 0), ("drain", 1, 0)],
        *[("set", 0, 15), ("fill", 0, 0), ("queued", 1, 0), ("set", 0, 15), ("fill", 0, 1)],
    ],
    "packets fill a buffer by their memory": [("open_pair", 0, 2), ("fill", 0, 0), ("drain", 1, 0)],
    "messages fill a buffer by their memory": [
        *[("open_pair", 0, 1), ("fill", 0, 1), ("recv", 1, 0), ("drain", 1, 0)],
    ],
    "a long queue": [("meet", 6, 52), ("connect_back", 6, 42), ("fill", 2, 58), ("recv", 0, 0)],
    "a long queue of one's own": [("meet", 1, 31), ("fill", 1, 43), ("sendto", 2, 49)],
    "a full buffer, and no receiver": [("open_pair", 4, 7), ("fill", 1, 25), ("sendto", 5, 17)],
    "the name of an accepted socket": [("meet", 5, 37), ("bind", 1, 4)],
    "one name for each type": [
        *[("open_pair", 6, 31), ("open_pair", 0, 30), ("bind", 5, 20), ("bind", 3, 11)],
    ],
    "no name of another type": [("meet", 2, 38), ("listen_here", 0, 16), ("connect", 5, 48)],
    "the name of a peer that is gone": [
        *[("open_pair", 5, 14), ("bind", 0, 2), ("close", 0, 34), ("names", 0, 33)],
    ],
    "no sender at the end": [("meet", 4, 30), ("close", 1, 15), ("recvmsg", 0, 51)],
    "a sender that has a name since": [
        *[("meet", 2, 44), ("bind", 0, 29), ("write", 0, 49), ("recvmsg", 1, 7)],
    ],
    "the sender of bytes that are not taken": [
        *[("meet", 3, 30), ("write", 1, 49), ("recvmsg", 0, 14), ("recvmsg", 0, 12)],
    ],
    "the sender of a packet": [
        *[("open_pair", 6, 26), ("bind", 0, 2), ("sendmsg", 0, 42), ("recvfrom", 1, 2)],
    ],
    "how long a packet was": [
        *[("open_pair", 0, 1), ("fill", 0, 0), ("recvmsg_into", 1, 12), ("recvmsg", 1, 12)],
    ],
    "the process of a peer": [
        *[("meet", 0, 3), ("peer_process", 1, 0), ("listen_here", 0, 1), ("peer_process", 2, 0)],
        *[("open_pair", 0, 1), ("close", 4, 0), ("peer_process", 3, 0), ("peer_process", 0, 0)],
    ],
    "what came beside would be inherited": [
        *[("open_pair", 0, 0), ("open", 0, 0), ("pass_slot", 0, 2), ("adopt", 1, 0)],
    ],
    "no room for what came beside": [
        ("meet", 0, 22),
        ("set", 1, 34),
        ("pass_on", 0, 0),
        ("recvmsg", 1, 29),
    ],
}


@pytest.mark.parametrize("program", FOUND.values(), ids=FOUND)
def test_programs_that_were_answered_otherwise(program, check):
    """Programs that the search found once are answered as by Linux, to the last call."""
    assert check(program) is None


@pytest.mark.slow
def test_random_calls_are_answered_as_by_linux(check):
    """Values, errnos and events of 25 random calls on all kinds of descriptors are Linux's."""
    search(programs(), budget(PROGRAMS), check)

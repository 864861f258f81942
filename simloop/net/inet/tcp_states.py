"""The states of a stream socket, and the table of what leads from one to another.

Owns: the names of the states, the events, ``(state, event) -> state`` for TCP and for UNIX streams,
and which memory of connect() goes with which state. Must not know sockets: they move by this table
and by nothing else (``self.state = ON_FIN[self.state]``), and an event without a row is a bug of
ours, found by an assertion.

TCP's states and arrows are those of RFC 9293, section 3.3.2 (figure 5), as far as the model tells
them apart::

    CLOSED --CONNECT--> SYN_SENT --SYN_ACK--> ESTABLISHED      CLOSED --LISTEN--> LISTEN
    CLOSED --SYN--> ESTABLISHED         (the child of a listener)

    ESTABLISHED --CLOSE--> FIN_WAIT_1 --FIN_ACKED--> FIN_WAIT_2 --FIN--> CLOSED
                           FIN_WAIT_1 --FIN--> CLOSING --FIN_ACKED--> CLOSED
    ESTABLISHED --FIN--> CLOSE_WAIT --CLOSE--> LAST_ACK --FIN_ACKED--> CLOSED
    each of these seven, and SYN_SENT --RESET--> CLOSED

What the model leaves out. SYN_RECEIVED: the third packet of a handshake does not travel, so a child
is established when it is made. TIME_WAIT is CLOSED here, and holds the port only: Linux too ends
the socket then and keeps a smaller thing in its place (``tcp_time_wait`` of
net/ipv4/tcp_minisocks.c), which ``addressing/port_tables.py`` has. Acknowledgements do not travel
either: FIN_ACKED comes in the moment in which the end of stream reaches the peer. Half-closing is
CLOSE: the RFC's CLOSE call means "I have no more data to send" (section 3.6), which is
shutdown(SHUT_WR) (shutdown(2)) as well as close(2).

UNIX streams have three of the states, as in Linux (net/unix/af_unix.c uses TCP_CLOSE, TCP_LISTEN
and TCP_ESTABLISHED): ends of stream are marks there, no states.

Beside the state a socket keeps what Linux keeps beside ``sk_state``, because none of it follows
from the state: ``is_shut_read`` and ``is_shut_write`` (``sk_shutdown``, which a fresh socket has
too), ``is_fin_taken`` (``SOCK_DONE``, which outlives the connection), ``is_released``
(``SOCK_DEAD``), ``error`` (``sk_err``) and ``phase`` (``struct socket``'s own state). The sockets'
``check()`` asserts which of their values go together.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto

__all__ = [
    "CLOSED",
    "CLOSE_WAIT",
    "CLOSING",
    "CONNECTED",
    "CONNECTED_STATES",
    "CONNECTING",
    "DISCONNECTING",
    "ENDING_STATES",
    "ESTABLISHED",
    "FIN_WAIT_2",
    "LEGAL_PHASES",
    "LISTEN",
    "ON_CLOSE",
    "ON_CONNECT",
    "ON_FIN",
    "ON_FIN_ACKED",
    "ON_LISTEN",
    "ON_RESET",
    "ON_SYN",
    "ON_SYN_ACK",
    "ON_UNIX_CLOSE",
    "ON_UNIX_LISTEN",
    "ON_UNIX_SYN",
    "SENDING_STATES",
    "SYN_SENT",
    "TCP_TRANSITIONS",
    "UNCONNECTED",
    "UNIX_TRANSITIONS",
    "Event",
    "Moves",
    "Phase",
    "State",
    "Transitions",
]


class State(IntEnum):
    """The states, by the numbers that TCP_INFO shows (include/net/tcp_states.h of Linux)."""

    ESTABLISHED = 1
    SYN_SENT = 2
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    CLOSED = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11


class Event(IntEnum):
    """What moves a socket from one state to another."""

    CONNECT = auto()  # connect(2): an active OPEN.
    LISTEN = auto()  # listen(2): a passive OPEN.
    SYN = auto()  # A listener's child is made for a request; or two UNIX sockets are joined.
    SYN_ACK = auto()  # The listener's answer is there.
    CLOSE = auto()  # shutdown(SHUT_WR) or close(2): nothing more will be sent.
    FIN = auto()  # The peer's end of stream is there.
    FIN_ACKED = auto()  # The own end of stream has reached the peer.
    RESET = auto()  # A reset was sent or is there, or no host or listener was found.


class Phase(Enum):
    """What ``struct socket`` remembers of connect(): Linux' SS_UNCONNECTED and so on.

    CONNECTING: connect() was answered with EINPROGRESS and not called again to learn the outcome
    (connect(2)). It decides what the next connect() answers, whatever the state is by then.
    """

    UNCONNECTED = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    DISCONNECTING = auto()  # shutdown() came after a failed connect() and before its outcome.


# By name, because a member that is asked of its class is looked up by a method of the metaclass.
UNCONNECTED = Phase.UNCONNECTED
CONNECTING = Phase.CONNECTING
CONNECTED = Phase.CONNECTED
DISCONNECTING = Phase.DISCONNECTING

ESTABLISHED = State.ESTABLISHED
SYN_SENT = State.SYN_SENT
FIN_WAIT_2 = State.FIN_WAIT_2
CLOSED = State.CLOSED
CLOSING = State.CLOSING
CLOSE_WAIT = State.CLOSE_WAIT
LISTEN = State.LISTEN

Transitions = dict[tuple[State, Event], State]

# The section numbers are those of RFC 9293.
TCP_TRANSITIONS: Transitions = {
    # 3.10.1, OPEN: from CLOSED, active or passive.
    (State.CLOSED, Event.CONNECT): State.SYN_SENT,
    (State.CLOSED, Event.LISTEN): State.LISTEN,
    # 3.10.7.2, a SYN in LISTEN makes a connection: the child, which is as new until then. It would
    # be SYN_RECEIVED for the time that the third packet takes.
    (State.CLOSED, Event.SYN): State.ESTABLISHED,
    # 3.10.7.3, SYN_SENT: our SYN is answered; or an RST, "connection refused"; or an ICMP error.
    (State.SYN_SENT, Event.SYN_ACK): State.ESTABLISHED,
    (State.SYN_SENT, Event.RESET): State.CLOSED,
    # 3.10.4, CLOSE: what is no connection yet is deleted. A closed one stays so (close(2)).
    (State.CLOSED, Event.CLOSE): State.CLOSED,
    (State.LISTEN, Event.CLOSE): State.CLOSED,
    (State.SYN_SENT, Event.CLOSE): State.CLOSED,
    # 3.10.4, CLOSE: the FIN is queued behind what is unsent, and the state entered at once.
    (State.ESTABLISHED, Event.CLOSE): State.FIN_WAIT_1,
    (State.CLOSE_WAIT, Event.CLOSE): State.LAST_ACK,
    # 3.10.7.4, eighth: check the FIN bit. From FIN_WAIT_2 it is TIME_WAIT: the ports' affair.
    (State.ESTABLISHED, Event.FIN): State.CLOSE_WAIT,
    (State.FIN_WAIT_1, Event.FIN): State.CLOSING,
    (State.FIN_WAIT_2, Event.FIN): State.CLOSED,
    # 3.10.7.4, fifth: check the ACK field. From CLOSING it is TIME_WAIT again.
    (State.FIN_WAIT_1, Event.FIN_ACKED): State.FIN_WAIT_2,
    (State.CLOSING, Event.FIN_ACKED): State.CLOSED,
    (State.LAST_ACK, Event.FIN_ACKED): State.CLOSED,
    # 3.10.7.4, second: check the RST bit; and 3.10.5, ABORT, for a reset that we send. In CLOSED it
    # changes nothing (3.10.7.1): a connection in a listener's queue may be over when that closes.
    (State.ESTABLISHED, Event.RESET): State.CLOSED,
    (State.FIN_WAIT_1, Event.RESET): State.CLOSED,
    (State.FIN_WAIT_2, Event.RESET): State.CLOSED,
    (State.CLOSE_WAIT, Event.RESET): State.CLOSED,
    (State.CLOSING, Event.RESET): State.CLOSED,
    (State.LAST_ACK, Event.RESET): State.CLOSED,
    (State.CLOSED, Event.RESET): State.CLOSED,
}

# unix(7); unix_stream_connect, unix_listen and unix_release_sock of net/unix/af_unix.c.
UNIX_TRANSITIONS: Transitions = {
    (State.CLOSED, Event.SYN): State.ESTABLISHED,
    (State.CLOSED, Event.LISTEN): State.LISTEN,
    (State.CLOSED, Event.CLOSE): State.CLOSED,
    (State.LISTEN, Event.CLOSE): State.CLOSED,
    (State.ESTABLISHED, Event.CLOSE): State.CLOSED,
}


class Moves(dict[State, State]):
    """What one event leads to from each state: a column of a table, for sockets to move by.

    A column and not the table, because a connection makes some nine moves, and looking up a pair
    was 2 % of all that a connection costs.

    >>> Moves(TCP_TRANSITIONS, Event.FIN)[State.FIN_WAIT_1]
    <State.CLOSING: 11>
    """

    def __init__(self, table: Transitions, event: Event) -> None:
        super().__init__({state: to for (state, on), to in table.items() if on is event})
        self.event: Event = event

    def __missing__(self, state: State) -> State:
        """Find the bug that a move without a row is."""
        raise AssertionError(f"{self.event.name} in the state {state.name}")


ON_CONNECT = Moves(TCP_TRANSITIONS, Event.CONNECT)
ON_LISTEN = Moves(TCP_TRANSITIONS, Event.LISTEN)
ON_SYN = Moves(TCP_TRANSITIONS, Event.SYN)
ON_SYN_ACK = Moves(TCP_TRANSITIONS, Event.SYN_ACK)
ON_CLOSE = Moves(TCP_TRANSITIONS, Event.CLOSE)
ON_FIN = Moves(TCP_TRANSITIONS, Event.FIN)
ON_FIN_ACKED = Moves(TCP_TRANSITIONS, Event.FIN_ACKED)
ON_RESET = Moves(TCP_TRANSITIONS, Event.RESET)

ON_UNIX_SYN = Moves(UNIX_TRANSITIONS, Event.SYN)
ON_UNIX_LISTEN = Moves(UNIX_TRANSITIONS, Event.LISTEN)
ON_UNIX_CLOSE = Moves(UNIX_TRANSITIONS, Event.CLOSE)

# Tuples: a test of membership compares by identity first, and costs what a chain of ``is`` costs.
# Where Linux lets tcp_sendmsg pass: TCPF_ESTABLISHED | TCPF_CLOSE_WAIT.
SENDING_STATES = (State.ESTABLISHED, State.CLOSE_WAIT)
# "Synchronized" in the RFC's words: both sides know of each other.
CONNECTED_STATES = (
    *SENDING_STATES,
    State.FIN_WAIT_2,
    State.FIN_WAIT_1,
    State.LAST_ACK,
    State.CLOSING,
)

# Whose end of stream is queued, or on its way.
ENDING_STATES = (State.FIN_WAIT_1, State.LAST_ACK, State.CLOSING)

_ANY = tuple(Phase)
_ASKED = (Phase.CONNECTING, Phase.CONNECTED)
# Which phases go with a TCP state (net/ipv4/af_inet.c, __inet_stream_connect).
LEGAL_PHASES: dict[State, tuple[Phase, ...]] = {
    State.CLOSED: _ANY,  # Fresh; failed, and connect() was not called again yet; over.
    State.LISTEN: (Phase.UNCONNECTED,),
    State.SYN_SENT: (Phase.CONNECTING,),
    **dict.fromkeys(CONNECTED_STATES, _ASKED),
}

"""The table of TCP's states: each row is reached by calls and packets, and no other row exists."""

from __future__ import annotations

import itertools
import socket
import struct
from collections import Counter, deque

import pytest

from simloop.net import Network, make_socket
from simloop.net.inet import tcp
from simloop.net.inet.tcp_states import (
    CONNECTED_STATES,
    ENDING_STATES,
    LEGAL_PHASES,
    SENDING_STATES,
    TCP_TRANSITIONS,
    UNIX_TRANSITIONS,
    Event,
    Moves,
    State,
)

NOBODY = ("127.0.0.1", 1)
LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Wire:
    """A listener and a client, and a link that keeps packets until they are asked for."""

    def __init__(self):
        self.network = Network()
        self.host = self.network.add_host()
        self.packets = deque()
        self.carried = Counter()
        self.network.link = self.carry
        self.listener, self.client = self.tcp(), self.tcp()
        self.server = None

    def carry(self, packet):
        self.packets.append(packet)
        self.carried[packet.kind, packet.source] += 1

    def tcp(self):
        sock = make_socket(self.host)
        sock.setblocking(False)
        return sock

    def listen(self):
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()

    def ask(self, address=None):
        self.client.connect_ex(address or self.listener.getsockname())

    def deliver(self, kind=None):
        """Deliver one packet, the oldest (of a kind)."""
        chosen = next(each for each in self.packets if kind in (None, each.kind))
        self.packets.remove(chosen)
        chosen.deliver()
        self.network.check()

    def connect(self):
        self.listen()
        self.ask()
        while self.packets:
            self.deliver()
        self.server, _ = self.listener.accept()

    def shut(self, sock):
        sock.shutdown(socket.SHUT_WR)

    def reset(self, sock):
        sock.setsockopt(*LINGER)
        sock.close()


def reach(wire, state):
    """Bring the client of a connection to a state."""
    wire.connect()
    if state in (State.CLOSE_WAIT, State.LAST_ACK):
        wire.shut(wire.server)
        wire.deliver()
    if state in (State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING, State.LAST_ACK):
        wire.shut(wire.client)
    if state is State.FIN_WAIT_2:
        wire.deliver()
    if state is State.CLOSING:
        wire.packets.rotate()
        wire.shut(wire.server)
        wire.packets.rotate()
        wire.deliver()
    return wire.client.file


def closed_connect(wire):
    file = wire.client.file
    yield file
    wire.ask(NOBODY)


def closed_listen(wire):
    yield wire.listener.file
    wire.listen()


def closed_syn(wire):
    wire.listen()
    wire.ask()
    yield None  # The child is not there before.
    wire.deliver()
    yield wire.listener.file.queue[0]


def closed_close(wire):
    yield wire.client.file
    wire.client.close()


def closed_reset(wire):
    """A connection in a listener's queue is reset, and the listener closes then."""
    wire.listen()
    wire.ask()
    wire.deliver()
    wire.deliver()
    wire.reset(wire.client)
    wire.deliver()
    yield wire.listener.file.queue[0]
    wire.listener.close()


def syn_sent_syn_ack(wire):
    wire.listen()
    wire.ask()
    yield wire.client.file
    wire.deliver()
    wire.deliver()


def syn_sent_reset(wire):
    wire.ask(NOBODY)
    yield wire.client.file
    wire.deliver("syn")
    wire.deliver("refuse")


def syn_sent_close(wire):
    wire.ask(NOBODY)
    yield wire.client.file
    wire.shut(wire.client)


def listen_close(wire):
    wire.listen()
    yield wire.listener.file
    wire.listener.close()


def by_close(state):
    def way(wire):
        yield reach(wire, state)
        wire.shut(wire.client)

    return way


def by_fin(state):
    def way(wire):
        yield reach(wire, state)
        sent = len(wire.packets)
        wire.shut(wire.server)
        wire.packets.rotate(-sent)
        wire.deliver()

    return way


def by_fin_acked(state):
    def way(wire):
        yield reach(wire, state)
        wire.deliver("fin")

    return way


def by_reset(state):
    def way(wire):
        yield reach(wire, state)
        wire.reset(wire.server)
        wire.deliver("rst")

    return way


WAYS = {
    (State.CLOSED, Event.CONNECT): closed_connect,
    (State.CLOSED, Event.LISTEN): closed_listen,
    (State.CLOSED, Event.SYN): closed_syn,
    (State.CLOSED, Event.CLOSE): closed_close,
    (State.CLOSED, Event.RESET): closed_reset,
    (State.SYN_SENT, Event.SYN_ACK): syn_sent_syn_ack,
    (State.SYN_SENT, Event.RESET): syn_sent_reset,
    (State.SYN_SENT, Event.CLOSE): syn_sent_close,
    (State.LISTEN, Event.CLOSE): listen_close,
    **{(state, Event.CLOSE): by_close(state) for state in SENDING_STATES},
    **{
        (state, Event.FIN): by_fin(state)
        for state in (State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2)
    },
    **{(state, Event.FIN_ACKED): by_fin_acked(state) for state in ENDING_STATES},
    **{(state, Event.RESET): by_reset(state) for state in CONNECTED_STATES},
}


def row_name(row):
    return "-".join(part.name for part in row)


def test_each_row_has_a_way():
    """The ways of this file reach every row of the table, and nothing else."""
    assert sorted(WAYS) == sorted(TCP_TRANSITIONS)


class Noted(Moves):
    """What an event leads to, noting each row which is looked up."""

    def __init__(self, event, rows):
        super().__init__(TCP_TRANSITIONS, event)
        self.rows = rows

    def __getitem__(self, state):
        self.rows.append((state, self.event))
        return super().__getitem__(state)


@pytest.mark.parametrize("row", TCP_TRANSITIONS, ids=row_name)
def test_a_row_of_the_table(row, monkeypatch):
    """A socket in the state of the row enters the next one by calls and packets."""
    rows = []
    for event in Event:
        monkeypatch.setattr(tcp, f"ON_{event.name}", Noted(event, rows))
    wire = Wire()
    way = WAYS[row](wire)
    file = next(way)
    assert file is None or file.state is row[0]
    rows.clear()
    for made in way:
        file = made
    assert row in rows
    assert file.state is TCP_TRANSITIONS[row]
    wire.network.check()
    wire.network.link = None
    for sock in (wire.client, wire.listener, wire.server):
        if sock is not None:
            sock.close()


@pytest.mark.parametrize("table", [TCP_TRANSITIONS, UNIX_TRANSITIONS], ids=["tcp", "unix"])
def test_an_event_without_a_row_is_a_bug(table):
    """Every pair of state and event that has no row ends in an assertion, not in a state."""
    for state, event in itertools.product(State, Event):
        moves = Moves(table, event)
        if (state, event) in table:
            assert moves[state] is table[state, event]
        else:
            with pytest.raises(AssertionError, match=f"{event.name} in the state {state.name}"):
                moves[state]


def test_every_state_is_reached_and_left():
    """No state stands apart: each is entered by some row, and each leads back to CLOSED."""
    entered = dict.fromkeys([State.CLOSED, *TCP_TRANSITIONS.values()])
    assert sorted(entered) == sorted(State)
    back = {State.CLOSED: None}
    while len(back) < len(State):
        more = [
            state for (state, _), to in TCP_TRANSITIONS.items() if to in back and state not in back
        ]
        assert more, back
        back.update(dict.fromkeys(more))
    assert sorted(LEGAL_PHASES) == sorted(State)


@pytest.mark.parametrize("is_full", [False, True])
def test_one_end_of_stream_travels(is_full):
    """However often a direction is shut, and then closed, one FIN goes, behind the last byte."""
    wire = Wire()
    wire.connect()
    if is_full:
        while True:
            try:
                wire.client.send(bytes(100_000))
            except BlockingIOError:
                break
    name = wire.client.getsockname()
    for _ in range(2):
        wire.shut(wire.client)
    wire.client.close()
    while wire.packets or wire.server.file.inbox.size:
        while wire.packets:
            wire.deliver()
        if wire.server.file.inbox.size:
            wire.server.recv(50_000)
    assert wire.server.recv(1) == b""
    assert wire.carried["fin", name] == 1
    wire.server.close()
    wire.listener.close()

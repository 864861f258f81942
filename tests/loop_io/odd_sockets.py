"""Sockets of every kind that a call does not expect."""

from __future__ import annotations

import os
import socket

LOCAL = "127.0.0.1"


def a_closed_socket():
    sock = socket.socket()
    sock.close()
    return sock


def a_detached_socket():
    sock = socket.socket()
    os.close(sock.detach())
    return sock


def a_bound_socket():
    sock = socket.socket()
    sock.bind((LOCAL, 0))
    return sock


def a_blocking_socket():
    sock = socket.socket()
    sock.settimeout(5)
    return sock


SOCKETS = {
    "closed": a_closed_socket,
    "connected": lambda: socket.socketpair()[0],
    "detached": a_detached_socket,
    "bound": a_bound_socket,
    "unconnected": socket.socket,
    "blocking": a_blocking_socket,
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "unix datagrams": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    "packets": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET),
}

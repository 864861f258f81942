"""A client of the debug adapter protocol: what an editor says to debugpy, and what it hears.

The protocol is Microsoft's "Debug Adapter Protocol": messages are JSON behind a header that gives
their length, over a socket; a request has a sequence number, and its response names that.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess

SECONDS = 60.0
"""How long an answer of the adapter is waited for, at most."""


def _connect(port, process):
    """Connect to the port once the process listens there."""
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        except ConnectionRefusedError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise AssertionError(f"it ended with {process.wait(0.1)}") from None


class DebugClient:
    """One session with an adapter that listens on a port of this machine."""

    def __init__(self, port, process):
        self._socket = _connect(port, process)
        self._file = self._socket.makefile("rb")
        self._sent = 0
        self._heard = []
        """Events that were not waited for yet."""

    def close(self):
        self._file.close()
        self._socket.close()

    def send(self, command, **arguments):
        """Send a request and return its number."""
        self._sent += 1
        request = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return self._sent

    def ask(self, command, **arguments):
        """Send a request and return what its response says."""
        number = self.send(command, **arguments)
        while True:
            message = self._read()
            if message["type"] == "response" and message["request_seq"] == number:
                assert message["success"], message
                return message.get("body", {})
            self._keep(message)

    def wait_for(self, event):
        """Return what the next event of this name says."""
        for at, message in enumerate(self._heard):
            if message["event"] == event:
                del self._heard[at]
                return message.get("body", {})
        while True:
            message = self._read()
            if message["type"] == "event" and message["event"] == event:
                return message.get("body", {})
            self._keep(message)

    def until_the_end(self):
        """Read until the adapter says that the program has ended, or closes the connection.

        Which of the two comes depends on which side is quicker.
        """
        with contextlib.suppress(ConnectionResetError):
            while (message := self._read_any()) is not None:
                if message.get("event") == "terminated":
                    return

    def top_frame(self, stopped):
        """Return the innermost frame of the thread that an event says has stopped."""
        return self.ask("stackTrace", threadId=stopped["threadId"], levels=1)["stackFrames"][0]

    def value(self, frame, expression):
        """Return what an expression is in a frame, as a watch window shows it."""
        asked = {"expression": expression, "frameId": frame["id"], "context": "watch"}
        return self.ask("evaluate", **asked)["result"]

    def _keep(self, message):
        if message["type"] == "event":
            self._heard.append(message)

    def _read(self):
        message = self._read_any()
        assert message is not None, "the adapter has closed the connection"
        return message

    def _read_any(self):
        length = 0
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(self._file.read(length)) if length else None

"""Raft: machines that agree on one log though some of them fail; with mistakes to choose from.

After "In Search of an Understandable Consensus Algorithm" (Ongaro and Ousterhout, 2014), figure 2,
over asyncio's streams. It imports nothing of simloop: this is what would run on real machines. What
goes around it in a test is in ``cluster.py``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FORGETS_ITS_VOTE = "forgets its vote at a restart"
IGNORES_THE_LOG = "votes for a candidate whose log is behind"
COUNTS_OLD_TERMS = "commits an entry of an older term by counting"
TRUNCATES_ALWAYS = "cuts its log at what a late message says"
READS_AT_ONCE = "answers reads without asking the others"
MISTAKES = (
    FORGETS_ITS_VOTE,
    IGNORES_THE_LOG,
    COUNTS_OLD_TERMS,
    TRUNCATES_ALWAYS,
    READS_AT_ONCE,
)

PORT = 4000
HEARTBEAT = 0.25  # Seconds between two messages of a leader that has nothing new to tell.
ELECTION = (1.0, 2.0)  # How long a server hears of no leader before it stands for election.
PATIENCE = 0.25  # How long a peer may take to answer.

Message = dict[str, Any]


class Entry(NamedTuple):
    """An entry of the log."""

    term: int
    command: Any


class Line:
    """A connection to a server: made when it is needed, given up when an answer does not come."""

    def __init__(self, to: str) -> None:
        self.to = to
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, message: Message, *, within: float = PATIENCE) -> Message | None:
        """Return the answer; None where none came in time, though the message may arrive yet."""
        try:
            async with asyncio.timeout(within):
                if self.streams is None:
                    self.streams = await asyncio.open_connection(self.to, PORT)
                reader, writer = self.streams
                writer.write(json.dumps(message | {"to": self.to}).encode() + b"\n")
                answer: Message = json.loads(await reader.readline())
                return answer
        except (OSError, ValueError):  # No time, no connection, no whole line.
            self.close()
            return None

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


class Raft:
    """One server. Entry 0 of its log stands for the beginning, so that an index is an index."""

    def __init__(
        self, name: str, servers: Sequence[str], apply: Callable[[Any], Any], mistake: str = ""
    ) -> None:
        self.name = name
        self.peers = [each for each in servers if each != name]
        self.apply = apply
        self.mistake = mistake

        self.term, self.vote, self.log = self.load()  # These three outlive a restart.
        self.role = "follower"
        self.leader: str | None = None
        self.committed = 0
        self.votes: set[str] = set()
        self.match: dict[str, int] = {}  # A leader: up to where the log of each peer is like mine.
        self.waiting: dict[int, asyncio.Future[Message | None]] = {}  # Clients, by index.
        self.news = asyncio.Event()
        self.postpone()

    async def run(self) -> None:
        """Serve, and stand for election whenever there is no leader to be heard."""
        server = await asyncio.start_server(self.talk, port=PORT)
        async with server, asyncio.TaskGroup() as self.tasks:
            while True:
                await asyncio.sleep(self.deadline - asyncio.get_running_loop().time())
                if asyncio.get_running_loop().time() >= self.deadline:
                    self.postpone()
                    if self.role != "leader":
                        self.stand_for_election()

    def postpone(self) -> None:
        self.deadline = asyncio.get_running_loop().time() + random.uniform(*ELECTION)

    # What outlives a restart ----------------------------------------------------------------------

    def load(self) -> tuple[int, str | None, list[Entry]]:
        if not Path("raft.json").exists():
            return 0, None, [Entry(0, None)]
        kept = json.loads(Path("raft.json").read_text())
        return kept["term"], kept["vote"], [Entry(*each) for each in kept["log"]]

    def save(self) -> None:
        """Keep term, vote and log; when this returns, they are durable."""
        vote = None if self.mistake == FORGETS_ITS_VOTE else self.vote
        with Path("raft.new").open("w") as file:
            file.write(json.dumps({"term": self.term, "vote": vote, "log": self.log}))
            file.flush()
            os.fsync(file.fileno())
        Path("raft.new").replace("raft.json")
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)

    # Messages -------------------------------------------------------------------------------------

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if message["to"] != self.name:  # A name has led astray.
                    break
                answer = await self.answer(message)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    async def answer(self, message: Message) -> Message | None:
        """Return the answer to a message; its arguments are those of the paper."""
        if message["kind"] == "command":
            return await self.submit(message["command"])
        if message["term"] > self.term:
            self.follow(message["term"])
        answer = self.on_vote if message["kind"] == "vote" else self.on_append
        is_granted = message["term"] == self.term and answer(message)
        return {"term": self.term, "ok": is_granted}

    def follow(self, term: int, leader: str | None = None) -> None:
        """Be a follower, in this term."""
        if term > self.term:
            self.term, self.vote = term, None
            self.save()
        self.role, self.leader = "follower", leader
        for client in self.waiting.values():
            client.set_result(None)  # Whether it will be committed, is not known here.
        self.waiting.clear()
        self.news.set()

    # Elections ------------------------------------------------------------------------------------

    def stand_for_election(self) -> None:
        self.term, self.vote = self.term + 1, self.name
        self.save()
        self.role, self.leader, self.votes = "candidate", None, {self.name}
        for peer in self.peers:
            self.tasks.create_task(self.ask_for_vote(peer, self.term))

    async def ask_for_vote(self, peer: str, term: int) -> None:
        last = [self.log[-1].term, len(self.log) - 1]
        message = {"kind": "vote", "term": term, "from": self.name, "last": last}
        with closing(Line(peer)) as line:
            while self.role == "candidate" and self.term == term:
                answer = await line.ask(message)
                if answer is None:
                    await asyncio.sleep(PATIENCE)
                    continue
                if answer["term"] > self.term:
                    self.follow(answer["term"])
                elif answer["ok"] and self.role == "candidate" and self.term == term:
                    self.votes.add(peer)
                    if self.is_majority(len(self.votes)):
                        self.lead()
                return

    def on_vote(self, message: Message) -> bool:
        """Vote, if this server has not voted otherwise, and the candidate has all that I have."""
        is_behind = message["last"] < [self.log[-1].term, len(self.log) - 1]
        if self.vote not in (None, message["from"]):
            return False
        if is_behind and self.mistake != IGNORES_THE_LOG:
            return False
        self.vote = message["from"]
        self.save()
        self.postpone()
        return True

    def is_majority(self, count: int) -> bool:
        return 2 * count > len(self.peers) + 1

    # The log --------------------------------------------------------------------------------------

    def lead(self) -> None:
        self.role, self.leader = "leader", self.name
        self.match = dict.fromkeys(self.peers, 0)
        for peer in self.peers:
            self.tasks.create_task(self.replicate(peer, self.term))

    async def submit(self, command: Any) -> Message | None:
        """Append a command, and wait until it is committed."""
        if self.role != "leader":
            return {"leader": self.leader}
        if command[0] == "read" and self.mistake == READS_AT_ONCE:
            return {"result": self.apply(command)}
        self.log.append(Entry(self.term, command))
        self.save()
        self.news.set()
        done: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self.waiting[len(self.log) - 1] = done
        return await done

    async def replicate(self, peer: str, term: int) -> None:
        """Bring the log of a peer to the state of mine, and keep it there, while I lead."""
        after = len(self.log) - 1  # The last entry that it may have.
        with closing(Line(peer)) as line:
            while self.role == "leader" and self.term == term:
                end = len(self.log)
                message = {
                    "kind": "append", "term": term, "from": self.name, "committed": self.committed,
                    "after": [after, self.log[after].term], "entries": self.log[after + 1 :],
                }  # fmt: skip
                answer = await line.ask(message)
                if self.role != "leader" or self.term != term:
                    return
                if answer is not None and answer["term"] > term:
                    self.follow(answer["term"])
                elif answer is not None and not answer["ok"]:
                    after -= 1
                else:
                    if answer is not None:
                        after = self.match[peer] = end - 1
                        self.count()
                    if end == len(self.log) or answer is None:
                        await self.wait_for_news()

    async def wait_for_news(self) -> None:
        self.news.clear()
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self.news.wait()
        except TimeoutError:
            pass

    def on_append(self, message: Message) -> bool:
        """Take the leader's entries, if mine up to there are the same as the leader's."""
        self.follow(self.term, message["from"])
        self.postpone()
        after, term = message["after"]
        if after >= len(self.log) or self.log[after].term != term:
            return False
        entries = [Entry(*each) for each in message["entries"]]
        if self.mistake == TRUNCATES_ALWAYS:
            self.log[after + 1 :] = entries
        else:
            for index, entry in enumerate(entries, after + 1):
                if index < len(self.log) and self.log[index].term != entry.term:
                    del self.log[index:]
                if index == len(self.log):
                    self.log.append(entry)
        self.save()
        self.commit(min(message["committed"], after + len(entries)))
        return True

    def count(self) -> None:
        """Commit what a majority has; entries of older terms only before one of this term."""
        for index in range(len(self.log) - 1, self.committed, -1):
            is_mine = self.log[index].term == self.term or self.mistake == COUNTS_OLD_TERMS
            if is_mine and self.is_majority(1 + sum(end >= index for end in self.match.values())):
                self.commit(index)
                return

    def commit(self, index: int) -> None:
        """Apply all entries up to this one, and answer those who wait for it."""
        while self.committed < index:
            self.committed += 1
            result = self.apply(self.log[self.committed].command)
            if client := self.waiting.pop(self.committed, None):
                client.set_result({"result": result})

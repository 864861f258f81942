"""A waiter looks for its answer and clears the event, and the answer came between the two.

An event tells that answers have come. A thread waits for it, looks whether its own is there, and if
not clears the event to wait for the next. What was set after the look is cleared with the rest.

Fails: the thread waits for an answer that is there.
"""

from __future__ import annotations

import asyncio
import threading

SOURCE = "https://github.com/scionproto/scion/issues/463"


class Answers:
    """Answers by number, and an event that some have come."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.came = threading.Event()
        self.known: dict[int, str] = {}

    def add(self, number: int) -> None:
        with self.lock:
            self.known[number] = f"answer {number}"
        self.came.set()

    def find(self, number: int) -> str | None:
        with self.lock:
            return self.known.get(number)

    def wait_for(self, number: int) -> str:
        while True:
            self.came.wait()
            answer = self.find(number)
            if answer is not None:
                return answer
            self.came.clear()


class FixedAnswers(Answers):
    """Clears the event before it looks."""

    def wait_for(self, number: int) -> str:
        while True:
            self.came.clear()
            answer = self.find(number)
            if answer is not None:
                return answer
            self.came.wait()


async def daemon(answers: Answers) -> None:
    def network() -> None:
        for number in range(3):
            answers.add(number)

    waiting = asyncio.to_thread(answers.wait_for, 2)
    answer, _ = await asyncio.gather(waiting, asyncio.to_thread(network))
    assert answer == "answer 2"


async def buggy() -> None:
    await daemon(Answers())


async def fixed() -> None:
    await daemon(FixedAnswers())

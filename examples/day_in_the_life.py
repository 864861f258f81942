"""A day in the life of a greenhouse: one hub, three sensors and a display, on aiohttp.

The hub is a web server. Each sensor posts a reading every three minutes and a heartbeat every five;
the display asks for the latest readings every minute. At 13:00 the hub goes into an hour of
maintenance: it answers 503 at first, from 13:30 it is really down. The clients back off, with
jitter, until it is up again, and nothing that was measured may be lost or stored twice.

There is nothing of simloop in this file. With plain Python it takes the day that it says:

    python examples/day_in_the_life.py

and in virtual time about a second:

    simloop run examples/day_in_the_life.py
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp import web

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

OPENING = 6 * HOUR  # The story starts at six in the morning.
MAINTENANCE = 13 * HOUR
POWER_OFF = 13.5 * HOUR
POWER_ON = 14 * HOUR - 1 * MINUTE  # Done a minute early.

SENSORS = ("bench", "door", "roof")
READING_EVERY = 3 * MINUTE
BEAT_EVERY = 5 * MINUTE
POLL_EVERY = 1 * MINUTE

PATIENCE = aiohttp.ClientTimeout(total=5.0)
BEAT_PATIENCE = 2.0
BACKOFF_FIRST = 1.0
BACKOFF_MOST = 4 * MINUTE
SILENT_AFTER = 2 * BEAT_EVERY + BEAT_PATIENCE
SLOW_SHARE = 0.004  # This share of the readings meets a slow disk,
SLOW_DISK = 8.0  # which takes longer than a client waits.

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Clock:
    """The time of day, by the loop's clock: seconds since midnight of the first day."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._origin = self._loop.time() - OPENING

    def now(self) -> float:
        return self._loop.time() - self._origin

    async def until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self.now()))

    def say(self, who: str, what: str) -> None:
        minutes, seconds = divmod(round(self.now()), 60)
        hours, minutes = divmod(minutes, 60)
        print(f"{hours % 24:02}:{minutes:02}:{seconds:02}  {who:<8} {what}")


@dataclass
class Books:
    """What the clients saw, hour by hour; each request ends in exactly one way."""

    hours: dict[int, Counter[str]] = field(default_factory=dict)

    def note(self, now: float, what: str) -> None:
        self.hours.setdefault(int(now // HOUR), Counter())[what] += 1

    def total(self, *kinds: str) -> int:
        return sum(hour[kind] for hour in self.hours.values() for kind in kinds)


class Hub:
    """The service: keeps readings by sensor and number, and knows who is silent."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.port = 0  # The system picks one; later starts keep it.
        self.in_maintenance = False
        self.readings: dict[tuple[str, int], float] = {}
        self.handled: Counter[str] = Counter()
        self.spells: Counter[str] = Counter()
        self.reports = 0
        self._heard = {name: asyncio.Event() for name in SENSORS}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(middlewares=[self.gate])
        app.add_routes(
            [
                web.post("/readings/{sensor}/{number}", self.take_reading),
                web.post("/beats/{sensor}", self.take_beat),
                web.get("/latest", self.latest),
            ]
        )
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.in_maintenance:
            self.handled["503"] += 1
            raise web.HTTPServiceUnavailable(text="maintenance")
        self.handled["served"] += 1
        return await handler(request)

    async def take_reading(self, request: web.Request) -> web.Response:
        key = request.match_info["sensor"], int(request.match_info["number"])
        known = key in self.readings
        self.handled["again"] += known
        self.readings[key] = (await request.json())["celsius"]
        if not known and random.random() < SLOW_SHARE:
            # It is stored, but the client gives up before it hears so, and sends it again.
            await asyncio.sleep(SLOW_DISK)
        return web.json_response({"stored": key[1]}, status=200 if known else 201)

    async def take_beat(self, request: web.Request) -> web.Response:
        self._heard[request.match_info["sensor"]].set()
        return web.Response(status=204)

    async def latest(self, _: web.Request) -> web.Response:
        newest = {name: (number, celsius) for (name, number), celsius in self.readings.items()}
        return web.json_response(newest)

    async def watch(self, sensor: str) -> None:
        """Tell when a sensor falls silent and when it is heard again."""
        heard, silent = self._heard[sensor], False
        while True:
            try:
                async with asyncio.timeout(None if silent else SILENT_AFTER):
                    await heard.wait()
            except TimeoutError:
                silent = True
                self.spells[sensor] += 1
                self.clock.say("watch", f"{sensor} is silent")
                continue
            if silent:
                self.clock.say("watch", f"{sensor} is back")
            heard.clear()
            silent = False

    async def maintain(self) -> None:
        await self.clock.until(MAINTENANCE)
        self.clock.say("hub", "maintenance begins: 503 to everybody")
        self.in_maintenance = True
        await self.clock.until(POWER_OFF)
        await self.stop()
        self.clock.say("hub", "power off: connections are refused")
        await self.clock.until(POWER_ON)
        self.in_maintenance = False
        await self.start()
        self.clock.say("hub", "power on")

    async def report_nightly(self) -> None:
        await self.clock.until(DAY)
        self.reports += 1
        self.clock.say("report", "the day that ends")
        for sensor in SENSORS:
            values = [value for (name, _), value in self.readings.items() if name == sensor]
            mean = sum(values) / len(values)
            low, high = min(values), max(values)
            print(f"{'':19}{sensor:<6}{len(values):4} readings", end="")
            print(f"  {low:5.1f} to {high:.1f} °C, mean {mean:.1f}")


class Client:
    """One device's way to the hub: requests that are counted, and retries."""

    def __init__(self, hub: Hub, books: Books) -> None:
        self.hub = hub
        self.clock = hub.clock
        self.books = books

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(timeout=PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def request(self, method: str, path: str, body: object = None) -> str:
        """Ask the hub once; gives how it ended, one of ENDINGS."""
        url = f"http://127.0.0.1:{self.hub.port}{path}"
        try:
            async with self.session.request(method, url, json=body) as response:
                await response.read()
                outcome = "ok" if response.ok else str(response.status)
        except aiohttp.ClientConnectorError as error:
            outcome = "refused" if isinstance(error.os_error, ConnectionRefusedError) else "lost"
        except aiohttp.ClientConnectionError as error:
            outcome = "late" if isinstance(error, TimeoutError) else "cut"
        except TimeoutError:
            outcome = "late"
        self.books.note(self.clock.now(), outcome)
        return outcome

    async def deliver(self, method: str, path: str, body: object = None) -> None:
        """Ask until the hub has answered, with exponential back-off and full jitter."""
        backoff = BACKOFF_FIRST
        while await self.request(method, path, body) != "ok":
            await asyncio.sleep(random.uniform(backoff / 2, backoff))
            backoff = min(2 * backoff, BACKOFF_MOST)
            self.books.note(self.clock.now(), "retries")


def measure(now: float) -> float:
    """The temperature in the greenhouse: warmest at three in the afternoon."""
    return round(19 + 7 * math.cos((now / DAY - 15 / 24) * math.tau) + random.gauss(0, 0.4), 2)


async def send_readings(
    client: Client, sensor: str, measured: dict[tuple[str, int], float]
) -> None:
    for number in range(int(DAY / READING_EVERY)):
        moment = OPENING + number * READING_EVERY
        await client.clock.until(moment)  # In the past when it has to catch up.
        measured[sensor, number] = measure(moment)
        body = {"celsius": measured[sensor, number]}
        await client.deliver("POST", f"/readings/{sensor}/{number}", body)


async def send_beats(client: Client, sensor: str) -> None:
    for number in range(int(DAY / BEAT_EVERY)):
        await client.clock.until(OPENING + number * BEAT_EVERY)
        try:
            async with asyncio.timeout(BEAT_PATIENCE):
                await client.request("POST", f"/beats/{sensor}")
        except TimeoutError:
            client.books.note(client.clock.now(), "late")


async def run_sensor(
    hub: Hub, books: Books, sensor: str, measured: dict[tuple[str, int], float]
) -> None:
    async with Client(hub, books) as client, asyncio.TaskGroup() as group:
        group.create_task(send_readings(client, sensor, measured))
        group.create_task(send_beats(client, sensor))


async def run_display(hub: Hub, books: Books) -> int:
    """Show the latest readings every minute; gives how many polls were left out."""
    left_out = 0
    async with Client(hub, books) as client:
        for number in range(int(DAY / POLL_EVERY)):
            moment = OPENING + number * POLL_EVERY
            if client.clock.now() >= moment + POLL_EVERY:
                left_out += 1
                continue
            await client.clock.until(moment)
            await client.deliver("GET", "/latest")
    return left_out


ENDINGS = ("ok", "503", "refused", "cut", "late")


def print_table(books: Books) -> None:
    print("\nhour  requests    ok   503  refused   cut  late  retries")
    for hour, seen in sorted(books.hours.items()):
        requests = sum(seen[kind] for kind in ENDINGS)
        bar = "#" * round(seen["ok"] / 8) + "." * round((requests - seen["ok"]) / 8)
        print(
            f"{hour % 24:02}:00 {requests:9}{seen['ok']:6}{seen['503']:6}{seen['refused']:9}"
            f"{seen['cut']:6}{seen['late']:6}{seen['retries']:9}  {bar}"
        )
    print(
        f"total {books.total(*ENDINGS):9}{books.total('ok'):6}{books.total('503'):6}"
        f"{books.total('refused'):9}{books.total('cut'):6}{books.total('late'):6}"
        f"{books.total('retries'):9}"
    )


def audit(hub: Hub, books: Books, measured: dict[tuple[str, int], float], left_out: int) -> None:
    """Both sides' books agree, and nothing was lost."""
    assert len(measured) == len(SENSORS) * DAY / READING_EVERY
    assert hub.readings == measured, "each reading is stored once, as it was measured"
    assert hub.reports == 1
    assert hub.spells == dict.fromkeys(SENSORS, 1), "each sensor was missed once, in the outage"
    # What the hub served is what clients heard back, or were too impatient to hear.
    assert hub.handled["served"] == books.total("ok", "late")
    assert hub.handled["503"] == books.total("503")
    assert hub.handled["again"] == books.total("late")
    # Every reading and every poll that was not left out got through; beats are not repeated.
    beats = len(SENSORS) * DAY / BEAT_EVERY
    missed_beats = books.total("503", "refused", "cut", "late") - books.total("retries")
    assert books.total("ok") == len(measured) + DAY / POLL_EVERY - left_out + beats - missed_beats
    outage = MAINTENANCE // HOUR
    for hour, seen in books.hours.items():
        assert hour == outage or not seen["503"] + seen["refused"], "errors outside the outage"


async def main() -> None:
    clock = Clock()
    books = Books()
    measured: dict[tuple[str, int], float] = {}
    hub = Hub(clock)
    await hub.start()
    clock.say("hub", "open")
    aside = [asyncio.create_task(hub.watch(sensor)) for sensor in SENSORS]
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.maintain())
        group.create_task(hub.report_nightly())
        for sensor in SENSORS:
            group.create_task(run_sensor(hub, books, sensor, measured))
        display = group.create_task(run_display(hub, books))
    await clock.until(OPENING + DAY)
    for task in aside:
        task.cancel()
    await hub.stop()
    clock.say("hub", "closed")
    print_table(books)
    audit(hub, books, measured, display.result())
    print(
        f"\n{len(measured)} readings measured, {len(hub.readings)} stored, none lost, none twice."
    )


if __name__ == "__main__":
    asyncio.run(main())

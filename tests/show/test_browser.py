"""The page in a real browser: what it draws, how it moves, what it finds, what it tells.

Needs Playwright (the extra ``browser``) and a Chromium; skipped, and said so, where one is missing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from simloop.cli import main as command

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: the extra browser")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
    # Playwright's own loop and pipes, at its end.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


# Traced in a process of its own: Playwright has a loop that runs in this one.
PROGRAM = """
import asyncio

async def serve(reader, writer):
    while line := await reader.readline():
        await asyncio.sleep(0.5)
        writer.write(line)
    writer.close()

async def ask(port, count):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(b"ping\\n")
        await reader.readline()
        await asyncio.sleep(1200)
    writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(ask(port, 3), name=f"client {number}")
    server.close()
"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container, has no sandbox to offer.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def draw(folder, program):
    """Run a program in a process of its own, and return the page of its trace."""
    (folder / "pings.py").write_text(program)
    for line in (["run", "pings.py", "--seed", "7", "--trace", "run.json"], ["show", "run.json"]):
        subprocess.run([sys.executable, "-m", "simloop", *line], cwd=folder, check=False)
    return folder / "run.html"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("page"), PROGRAM)


@pytest.fixture(params=[(1280, "light"), (400, "dark")], ids=["wide", "narrow"])
def tab(request, browser, file):
    """The page in a tab of its own, which must have asked for nothing and said no error."""
    width, scheme = request.param
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda sent: asked.append(sent.url))
    tab.goto(file.as_uri())
    settle(tab)
    yield tab
    tab.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]


def settle(tab):
    """Let the page draw."""
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def spot(tab, expression):
    """Where in the chart something is, from an expression that gives {place, track}."""
    return tab.evaluate(
        f"""(() => {{
            const {{ place, track }} = {expression}, row = model.rowOf[track];
            chart.show(place, place, row, false);
            const bar = chart.bar(row);
            return {{ x: chart.x(place), y: bar.top + bar.height / 2 }};
        }})()"""
    )


def details(tab):
    """What is told of the selection: its title, and its fields by name."""
    title = tab.inner_text("#details h3")
    names, values = tab.locator("#details dt"), tab.locator("#details dd")
    return title, dict(zip(names.all_inner_texts(), values.all_inner_texts(), strict=True))


def test_the_run_is_summed_up(tab):
    """Title and summary say what ran; the page is not wider than the window."""
    assert tab.title() == "pings.py, drawn by simloop"
    assert tab.inner_text("h1") == "pings.py"
    summary = tab.inner_text("#summary")
    assert "seed 7 · 1:00:01.5 virtual · 1 host" in summary
    assert "24 messages" in summary
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_something_is_drawn_in_the_colors_of_each_kind(tab):
    """Steps, sleeps, waits for the network and arrows leave pixels of their colors."""
    colors = tab.evaluate(
        """(() => {
            const pen = chart.canvas.getContext("2d"), { width, height } = chart.canvas;
            const data = new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer);
            const seen = new Map();
            data.forEach((pixel) => seen.set(pixel, (seen.get(pixel) || 0) + 1));
            const probe = document.createElement("canvas");
            const brush = probe.getContext("2d", { willReadFrequently: true });
            return ["sleep", "net", "life", "ink"].map((name) => {
                brush.fillStyle = chart.colors[name];
                brush.fillRect(0, 0, 1, 1);
                const data = brush.getImageData(0, 0, 1, 1).data;
                return seen.get(new Uint32Array(data.buffer)[0]) || 0;
            });
        })()"""
    )
    assert min(colors) > 0
    assert tab.evaluate("chart.drawn.length") == 24


def test_idle_time_is_squeezed_at_first(tab):
    """Hours between bursts are narrow until somebody wants true time; the view goes back."""
    assert tab.is_checked("#squeeze")
    narrow = tab.evaluate("chart.axis.length")
    assert narrow < 1000
    tab.uncheck("#squeeze")
    settle(tab)
    assert tab.evaluate("chart.axis.length") == 3_601_500_000
    assert "0:00:00 to 1:00:01.5" in tab.inner_text("#range")
    tab.check("#squeeze")
    settle(tab)
    assert tab.evaluate("chart.axis.length") == narrow


def test_a_step_is_told_at_a_click(tab):
    """A click on a step tells its task, its time, its line, and what it waited for before."""
    step = "model.stepsOf[model.tracks.findIndex((t) => t[1] === 'client 2')][2]"
    tab.evaluate(f"chart.look(chart.axis.begin[{step}] - 20, chart.axis.begin[{step}] + 20)")
    settle(tab)
    at = spot(tab, f"({{place: chart.axis.begin[{step}] + 0.4, track: model.steps.track[{step}]}})")
    tab.click("#chart", position=at)
    title, fields = details(tab)
    assert title.endswith("of client 2 (ask)")
    assert fields["at"] == "0:00:00.5"
    assert "pings.py:" in fields["goes on in"]
    assert "await reader.readline()" in fields["goes on in"]
    assert fields["waited before for"] == "data on a stream, 500 ms"
    assert fields["read"].startswith("5 bytes from 127.0.0.1:")
    tab.click("#chart", position={"x": at["x"], "y": 5})
    assert tab.inner_text("#details") == "Click a step, a wait or a message."


def test_a_wait_is_told_at_a_click(tab):
    """A click between two steps tells what the task waits for, how long and where."""
    wait = "model.waitsOf[model.tracks.findIndex((t) => t[1] === 'client 1')][1]"
    place = f"(chart.axis.waitBegin[{wait}] + chart.axis.waitEnd[{wait}]) / 2"
    at = spot(tab, f"({{place: {place}, track: model.waits.track[{wait}]}})")
    tab.click("#chart", position=at)
    title, fields = details(tab)
    assert title == "client 1 (ask) waits"
    assert (fields["for"], fields["waited"]) == ("a sleep", "20 min")
    assert "await asyncio.sleep(1200)" in fields["in"]


def test_a_message_leads_to_both_ends(tab):
    """A click on an arrow tells the message; its buttons select who sent it and who read it."""
    at = tab.evaluate(
        """(() => {
            chart.look(0, 60);
            chart.paint();
            const one = chart.drawn.find(({ from, to }) => Math.abs(from - to) > 1);
            const down = one.to > one.from, start = chart.bar(one.from), end = chart.bar(one.to);
            const y0 = down ? start.top + start.height : start.top;
            const y1 = down ? end.top : end.top + end.height;
            // In the gap between two rows, in the middle between the ends.
            const y = chart.y(Math.ceil((one.from + one.to) / 2)) + 1, t = (y - y0) / (y1 - y0);
            return { x: one.x0 + (one.x1 - one.x0) * t * t * (3 - 2 * t), y };
        })()"""
    )
    tab.click("#chart", position=at)
    title, fields = details(tab)
    assert title == "Message (tcp)"
    assert fields["begins"] == "ping\\n"
    assert fields["size"] == "5 bytes"
    sender, reader = fields["sent by"], fields["read by"]
    assert {sender.rpartition(" ")[2], reader.rpartition(" ")[2]} == {"(ask)", "(serve)"}
    tab.click("text=Reader")
    assert details(tab)[0].endswith(reader)
    tab.uncheck("#arrows")
    settle(tab)
    assert tab.evaluate("chart.drawn.length") == 0


def test_zooming_and_panning(tab):
    """Buttons, wheel, keys and dragging change what is seen, around the pointer, within bounds."""
    seen = lambda: tab.evaluate("[chart.from, chart.to]")  # noqa: E731
    whole = seen()
    tab.click("#in")
    near = seen()
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 2)
    tab.click("#out")
    tab.click("#all")
    assert seen() == pytest.approx(whole)
    box = tab.locator("#chart").bounding_box()
    x, y = box["x"] + box["width"] * 0.7, box["y"] + 40
    tab.mouse.move(x, y)
    place = tab.evaluate(f"chart.place({x - box['x']})")
    tab.mouse.wheel(0, -300)
    settle(tab)
    near = seen()
    assert near[1] - near[0] < 0.9 * (whole[1] - whole[0])
    assert tab.evaluate(f"chart.place({x - box['x']})") == pytest.approx(place, abs=1)
    tab.mouse.down()
    tab.mouse.move(x - 50, y, steps=4)
    tab.mouse.up()
    assert seen()[0] > near[0]
    assert tab.inner_text("#details") == "Click a step, a wait or a message."
    tab.focus("#chart")
    before = seen()
    tab.keyboard.press("ArrowLeft")
    assert seen()[0] < before[0]
    tab.keyboard.press("+")
    assert seen()[1] - seen()[0] < before[1] - before[0]
    for _ in range(40):
        tab.keyboard.press("+")
    assert seen()[1] - seen()[0] == pytest.approx(4)
    tab.keyboard.press("0")
    assert seen() == pytest.approx(whole)


def test_the_keyboard_alone_selects(tab):
    """With the chart in focus, keys go from task to task and from step to step."""
    tab.focus("#chart")
    tab.keyboard.press("j")
    assert details(tab)[0] == "Task Task-1"
    tab.keyboard.press("j")
    assert details(tab)[0] == "Task client 0"
    tab.keyboard.press("n")
    assert details(tab)[0].endswith("of client 0 (ask)")
    first = details(tab)
    tab.keyboard.press("n")
    assert details(tab) != first
    tab.keyboard.press("p")
    assert details(tab) == first
    tab.keyboard.press("z")
    assert tab.evaluate("chart.to - chart.from") < 100
    tab.keyboard.press("Escape")
    assert tab.locator("#details dl").count() == 0


def test_search_by_task_callback_and_file(tab):
    """A search narrows the rows to what matches, counts, and goes from match to match."""
    rows = tab.evaluate("model.rows.length")
    tab.keyboard.press("/")
    tab.keyboard.type("CLIENT 3")
    assert tab.evaluate("model.rows.map((row) => row.name)") == ["client 3"]
    assert tab.inner_text("#found").endswith(f"in 1 of {rows} rows")
    tab.keyboard.press("Enter")
    assert "of client 3 (ask)" in details(tab)[0]
    assert tab.inner_text("#found").startswith("Match 1 of ")
    tab.keyboard.press("Shift+Enter")
    found = tab.inner_text("#found")
    assert found.split()[1] == found.split()[3]
    for query, name in (("_read_step", "callbacks"), ("connection_made", "callbacks")):
        tab.fill("#search", query)
        assert tab.evaluate("model.rows.map((row) => row.name)") == [name]
    tab.fill("#search", "pings.py")
    assert tab.evaluate("model.rows.length") > 4
    tab.fill("#search", "no such thing")
    assert "Nothing here is called “no such thing”." in tab.inner_text("#found")
    assert tab.is_disabled("#next")
    tab.fill("#search", "")
    assert tab.evaluate("model.rows.length") == rows


def test_the_slowest_waits_are_listed(tab):
    """The table is by length, sleeps can be left out, and a line leads to its place."""
    assert tab.is_checked("#sleeps")
    reasons = tab.locator("#slowest tr td:nth-child(3)").all_inner_texts()
    assert reasons
    assert "a sleep" not in reasons
    tab.uncheck("#sleeps")
    lines = [row.locator("td").all_inner_texts() for row in tab.locator("#slowest tr").all()]
    assert "a sleep" in [line[2] for line in lines]
    first = lines[1]
    assert first[0] == "20 min"
    assert "pings.py:" in first[3]
    tab.fill("#search", "no such thing")
    tab.locator("#slowest tr").nth(1).locator("button").click()
    title, fields = details(tab)
    assert title == f"{first[1]} waits"
    assert fields["waited"] == "20 min"
    assert tab.input_value("#search") == ""
    assert tab.locator("#slowest tr.selected").count() == 1


def test_everything_has_a_name_and_can_be_reached(tab):
    """Each control has a name for those who do not see it, and the keyboard comes to all."""
    nameless = tab.evaluate(
        """[...document.querySelectorAll("button, input, canvas:not([aria-hidden])")].filter(
            (each) => !(each.getAttribute("aria-label") || each.textContent.trim()
                || (each.labels && each.labels.length))).map((each) => each.id)"""
    )
    assert nameless == []
    tab.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(11):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.id || document.activeElement.tagName"))
    for name in ("search", "in", "out", "all", "squeeze", "arrows", "chart"):
        assert name in reached
    assert tab.get_attribute("#chart", "aria-label")


ODD = """
import asyncio, gc, time

async def main():
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    task = asyncio.create_task(asyncio.Event().wait(), name="gone")
    await asyncio.sleep(1)
    del task
    gc.collect()
    await asyncio.sleep(2)
    time.sleep(4)
    asyncio.create_task(asyncio.Event().wait(), name="left")
    await asyncio.sleep(8)
"""


def test_an_error_is_told(browser, tmp_path):
    """The page of a run that failed says so, in a text that the keyboard can scroll."""
    tab = browser.new_page()
    program = "import asyncio\n\nasync def main():\n    await asyncio.Event().wait()\n"
    tab.goto(draw(tmp_path, program).as_uri())
    assert "ended with status 80" in tab.inner_text("#summary")
    assert tab.inner_text("#error").startswith("DeadlockError: nothing is ready at 0.0 s")
    assert tab.get_attribute("#error", "tabindex") == "0"
    tab.close()


def test_places_and_times_agree(browser, tmp_path):
    """On both axes each step, wait and end of a task lies at its time, a blocking one too."""
    tab = browser.new_page()
    tab.goto(draw(tmp_path, ODD).as_uri())
    tab.evaluate("document.getElementById('squeeze').click()")
    wrong = tab.evaluate(
        """Object.values(model.axes).flatMap((axis) => {
            const { steps, waits, moments, count } = model, found = [];
            const check = (what, place, us) => {
                if (Math.abs(axis.timeAt(place) - us) > 1) found.push([what, place, us]);
            };
            for (let step = 0; step < count; step++) {
                check("begin", axis.begin[step], model.beginUs[step]);
                if (model.endUs[step] > model.beginUs[step]) {
                    check("end", axis.end[step], model.endUs[step]);
                }
                if (step && axis.begin[step] < axis.begin[step - 1]) found.push(["order", step]);
            }
            waits.begin.forEach((moment, wait) => {
                check("wait", axis.waitBegin[wait], moments[moment]);
                check("waited", axis.waitEnd[wait], moments[waits.end[wait]]);
            });
            return found;
        })"""
    )
    assert wrong == []
    ends = tab.evaluate("model.tracks.map(([, name, , , outcome]) => [name, outcome])")
    assert ["gone", "destroyed while pending"] in ends
    tab.close()


def large_trace(path, tasks, steps):
    """Write a trace of many tasks that sleep and send, with far more steps than pixels."""
    name = {"ph": "M", "pid": 1, "tid": 1}
    events = [{**name, "name": "process_name", "args": {"name": "localhost"}}]
    for task in range(tasks):
        at = {"pid": 1, "tid": task}
        events += [
            {**at, "ph": "M", "name": "thread_name", "args": {"name": f"worker {task}"}},
            {**at, "ph": "B", "ts": 0, "cat": "task", "name": "work", "args": {"where": "x.py:1"}},
        ]
    waiting = {}
    for step in range(steps):
        at = {"pid": 1, "tid": step * 7919 % tasks, "ts": step // 5 * 1000}
        if waiting.pop(at["tid"], None):
            events.append({**at, "ph": "E"})
        about = {"step": step + 1, "where": f"x.py:{step % 50}"}
        flow = {"cat": "message", "name": "message", "id": step // 2, "args": {"bytes": 1}}
        events += [
            {**at, "ph": "B", "cat": "step", "name": "work", "args": about},
            {**at, **flow, "ph": "f" if step % 2 else "s"},
            {**at, "ph": "E"},
            {**at, "ph": "B", "cat": "wait", "name": "a sleep", "args": {"where": "x.py:9"}},
        ]
        waiting[at["tid"]] = True
    path.write_text(json.dumps(events))


def test_a_large_trace_stays_quick(browser, tmp_path):
    """A hundred thousand steps of three hundred tasks load, draw and search in moments."""
    large_trace(tmp_path / "large.json", 300, 100_000)
    assert command(["show", str(tmp_path / "large.json")]) == 0
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.goto((tmp_path / "large.html").as_uri())
    settle(tab)
    taken_ms = tab.evaluate(
        """[
            () => byId("all").click(), () => byId("in").click(), () => byId("out").click(),
            () => search("x.py:7"),
        ].map((act) => {
            const began = performance.now();
            act();
            chart.paint();
            return performance.now() - began;
        })"""
    )
    assert max(taken_ms) < 2000, taken_ms  # Tens of milliseconds; the machine may be busy.
    assert tab.evaluate("chart.drawn.length") <= 400
    tab.close()


RACE = """
import asyncio

async def main():
    async def serve(reader, writer):
        while line := await reader.readline():
            await asyncio.sleep(0.3)
            writer.write(line)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 7000):
        reader, writer = await asyncio.open_connection("127.0.0.1", 7000)
        async with asyncio.timeout(1):
            for _ in range(3):
                writer.write(b"ping\\n")
                await reader.readline()
        writer.close()
"""


def test_a_finding_shows_both_runs_where_they_part(browser, tmp_path):
    """The same step is selected in both pictures, and the failing one has a mark."""
    (tmp_path / "race.py").write_text(RACE)
    line = [sys.executable, "-m", "simloop", "explore", "race.py", "--page", "race.html"]
    subprocess.run(line, cwd=tmp_path, capture_output=True, check=False)
    page = browser.new_page(viewport={"width": 1280, "height": 1700})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "race.html").as_uri())
    plain, failing = page.frames[1:]
    told = [each.locator("#details h3").inner_text() for each in (plain, failing)]
    assert [text.partition(" of ")[0] for text in told] == [told[0].partition(" of ")[0]] * 2
    assert told[0].startswith("Step ")
    assert [each.evaluate("chart.marks.length") for each in (plain, failing)] == [0, 1]
    assert [each.is_visible("#failing") for each in (plain, failing)] == [False, True]
    assert page.locator("svg.sequence .fails").count() == 2
    assert page.locator("ol.deviations li").count() == 1
    assert not errors
    page.close()

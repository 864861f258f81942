"""The page of many hosts in a real browser: lanes, packets, what happened, and browsers that lack.

Needs what :mod:`.test_browser` needs.
"""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="no Playwright: the extra browser")

from .test_browser import CHROMIUM, browser, details, draw, settle

__all__ = ["browser"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
    # Playwright's own loop and pipes, at its end.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PROGRAM = """
import asyncio
import simloop

async def serve():
    async def answer(reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    await (await asyncio.start_server(answer, port=7)).serve_forever()

async def ask():
    reader, writer = await asyncio.open_connection("db", 7)
    for _ in range(3):
        writer.write(b"ping\\n")
        await reader.readline()
        await asyncio.sleep(1)
    writer.close()

async def main():
    world = simloop.current_world()
    db = world.add_host("db", serve)
    web = world.add_host("web")
    await asyncio.sleep(1)
    web.start(ask)
    await asyncio.sleep(1.5)
    world.network.partition("db", "web")
    await asyncio.sleep(1)
    world.network.heal()
    await asyncio.sleep(2)
    db.processes[0].pause()
    await asyncio.sleep(1)
    db.crash()
    await asyncio.sleep(1)
    raise ValueError("the database is off")
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("hosts"), PROGRAM)


@pytest.fixture(params=[(1280, "light"), (400, "dark")], ids=["wide", "narrow"])
def tab(request, browser, file):
    """The page in a tab of its own, which must have said no error."""
    width, scheme = request.param
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(file.as_uri())
    settle(tab)
    yield tab
    tab.close()
    assert said == []


def lane_spot(tab, host, expression):
    """Where in the chart something on a host's lane is, from an expression of its place."""
    return tab.evaluate(
        f"""(() => {{
            const row = model.laneOf[model.processes.indexOf("{host}")], bar = chart.bar(row);
            return {{ x: chart.x({expression}), y: bar.top + bar.height / 2 }};
        }})()"""
    )


def colors_drawn(tab, names):
    """How many pixels of each of these colours there are on the chart."""
    return tab.evaluate(
        """((names) => {
            chart.paint();
            const pen = chart.canvas.getContext("2d"), { width, height } = chart.canvas;
            const data = new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer);
            const probe = document.createElement("canvas");
            const brush = probe.getContext("2d", { willReadFrequently: true });
            return names.map((name) => {
                brush.fillStyle = chart.colors[name];
                brush.fillRect(0, 0, 1, 1);
                const color = new Uint32Array(brush.getImageData(0, 0, 1, 1).data.buffer)[0];
                return data.reduce((sum, pixel) => sum + (pixel === color), 0);
            });
        })""",
        names,
    )


def test_hosts_are_lanes_and_open_at_a_click(tab):
    """Lanes come first, without what the world does by itself; a click shows a host's tasks."""
    names = "model.rows.map((row) => row.title || row.name)"
    assert tab.evaluate(names) == ["localhost", "db", "web"]
    assert "3 hosts" in tab.inner_text("#summary")
    assert "packets" in tab.inner_text("#summary")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("chart.packetsDrawn.length") > 10
    bar = tab.evaluate("chart.bar(1)")
    wide = tab.evaluate("chart.gutter") > 0
    at = {"x": 30, "y": bar["top"] + bar["height"] / 2 if wide else bar["top"] - 6}
    tab.click("#chart", position=at)
    assert details(tab)[0] == "Host db"
    assert "db/Task-1" in tab.evaluate(names)
    tab.click("text=Hide its tasks")
    assert tab.evaluate(names) == ["localhost", "db", "web"]
    tab.check("#tasks")
    assert "the world" in tab.evaluate(names)
    tab.uncheck("#packets")
    settle(tab)
    assert tab.evaluate("chart.packetsDrawn.length") == 0


def test_what_is_the_matter_is_drawn(tab):
    """Cuts, the failing moment and marks leave pixels of their colours; a click tells a spell."""
    assert min(colors_drawn(tab, ["cut", "fail", "mark"])) > 0
    spell = "[...model.spells.keys()].find((i) => model.spells[i][2] === 'paused')"
    place = f"(chart.axis.spellBegin[{spell}] + chart.axis.spellEnd[{spell}]) / 2"
    tab.evaluate(f"chart.look({place} - 30, {place} + 30)")
    settle(tab)
    at = lane_spot(tab, "db", place)
    tab.click("#chart", position={"x": at["x"], "y": at["y"] - 12})
    title, fields = details(tab)
    assert title == "db: paused"
    assert fields["for"] == "1 s"


def test_a_packet_is_told_at_a_click(tab):
    """A click on its line tells both hosts, when and what; keys go on to the next."""
    packet = "[...model.packets.kind.keys()].find((i) => model.texts[model.packets.begins[i]])"
    tab.evaluate(
        f"chart.look(chart.axis.packetBegin[{packet}] - 20, chart.axis.packetEnd[{packet}] + 20)"
    )
    settle(tab)
    at = tab.evaluate(
        f"""(() => {{
            const {{ x0, y0, x1, y1 }} = chart.packetEnds({packet});
            return {{ x: x0 + (x1 - x0) * 0.4, y: y0 + (y1 - y0) * 0.4 }};
        }})()"""
    )
    tab.click("#chart", position=at)
    title, fields = details(tab)
    assert title == "Packet (data)"
    assert (fields["sent by"], fields["to"], fields["arrived after"]) == ("web", "db", "1 ms")
    assert fields["begins"] == "ping\\n"
    tab.focus("#chart")
    tab.keyboard.press("n")
    assert details(tab)[1] != fields
    tab.click("text=Step that sent it")
    assert details(tab)[0].startswith("Step ")


def test_a_lost_packet_says_why(tab):
    """The search finds it by the reason, and its details tell that."""
    tab.fill("#search", "the way is cut")
    assert "packet" in tab.inner_text("#found")
    tab.keyboard.press("Enter")
    title, fields = details(tab)
    assert title.startswith("Packet (")
    assert fields["lost"].startswith("the way is cut, at 0:00:0")


def test_waits_are_found_by_what_is_waited_for(tab):
    """A search for it counts waits, marks them, and leads to them."""
    tab.fill("#search", "data on a stream")
    found = tab.inner_text("#found")
    assert " waits in " in found
    assert tab.evaluate("model.matchingWaits.some((is) => is)")
    tab.keyboard.press("Enter")
    title, fields = details(tab)
    assert title.endswith(" waits")
    assert fields["for"] == "data on a stream"


def test_the_failing_moment_is_shown(tab):
    """A button and a key lead to the step in which the run failed."""
    tab.click("#failing")
    title, fields = details(tab)
    assert "Task-1 (main)" in title
    assert fields["at"] == "0:00:07.5"
    tab.keyboard.press("Escape")
    tab.focus("#chart")
    tab.keyboard.press("f")
    assert details(tab)[0] == title


def test_a_line_opens_in_the_editor(tab, file):
    """Places are links to the editor, with the file's path and the line."""
    tab.click("#failing")
    link = tab.get_attribute("#details dd a", "href")
    path = file.with_name("pings.py").as_posix()
    assert link.startswith(f"vscode://file{path}:")
    assert tab.get_attribute("#details .links a", "href") == link
    assert tab.get_attribute("#slowest td a", "href").startswith("vscode://file/")


def test_what_happened_is_a_table_too(tab):
    """Crashes, cuts and pauses stand in a table by their times; a line leads there."""
    rows = [row.inner_text().split("\t") for row in tab.locator("#happenings tr").all()]
    told = [[each.strip() for each in row] for row in rows]
    assert ["0:00:02.5", "db", "is cut off from web for 1 s"] in told
    assert ["0:00:06.5", "db", "db crashes"] in told
    tab.locator("#happenings tr", has_text="db crashes").locator("button").click()
    assert details(tab) == ("On db", {"what": "db crashes", "at": "0:00:06.5"})


def test_a_browser_without_canvas_still_tells_the_run(browser, file):
    """It says so, the tables are there, and nothing raises."""
    tab = browser.new_page()
    tab.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(file.as_uri())
    settle(tab)
    assert "This browser draws no canvas" in tab.inner_text("#found")
    assert tab.locator("#slowest tr").count() > 0
    assert tab.locator("#happenings tr").count() > 0
    assert not tab.is_visible("#chart")
    tab.click("#failing")
    assert "Task-1 (main)" in details(tab)[0]
    tab.fill("#search", "ping")
    tab.close()
    assert errors == []

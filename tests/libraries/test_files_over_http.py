"""aiohttp's FileResponse: its dates and ETags are of the time at which the run wrote the file."""

from __future__ import annotations

import asyncio

import pytest

import simloop

aiohttp = pytest.importorskip("aiohttp")
web = pytest.importorskip("aiohttp.web")


def test_a_file_is_as_old_as_the_run_made_it(tmp_path) -> None:
    """Last-Modified is the run's, an unchanged file is a 304, and each run sends the same."""

    async def main() -> list[tuple]:
        await asyncio.sleep(100)
        path = tmp_path / "page.txt"
        path.write_text("first")

        async def page(_request):
            return web.FileResponse(path)

        app = web.Application()
        app.router.add_get("/", page)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 8080).start()
        seen = []
        async with aiohttp.ClientSession() as session:

            async def get(**headers: str) -> tuple:
                async with session.get("http://127.0.0.1:8080/", headers=headers) as response:
                    told = response.headers
                    return response.status, told.get("Last-Modified"), told.get("ETag")

            for text in ("first", "other"):
                path.write_text(text)
                await asyncio.sleep(3600)
                status, modified, etag = await get()
                not_changed, _, _ = await get(**{"If-Modified-Since": modified})
                same, _, _ = await get(**{"If-None-Match": etag})
                seen.append((status, modified, etag, not_changed, same))
        await runner.cleanup()
        return seen

    first, again = simloop.run(main()), simloop.run(main())
    assert first == again
    assert [each[1] for each in first] == [
        "Mon, 01 Jan 2024 00:01:40 GMT",
        "Mon, 01 Jan 2024 01:01:40 GMT",
    ]
    assert [(each[0], *each[3:]) for each in first] == [(200, 304, 304)] * 2
    assert first[0][2] != first[1][2]

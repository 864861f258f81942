"""Policies of event loops that a program sets: asked under ``simloop run`` as by Python.

One script on both arms, but for what only one of them can have.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from textwrap import dedent

import pytest

import simloop as simloop_

pytestmark = [
    pytest.mark.slow,  # Two processes for each.
    pytest.mark.skipif(sys.platform == "win32", reason="its policies make other loops"),
]


@pytest.fixture
def both(command, tmp_path):
    """Run a script by Python and by the command; give what each wrote and returned."""

    def both(text):
        (tmp_path / "app.py").write_text(dedent(text))
        real = subprocess.run(
            [sys.executable, "app.py"], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        return [(done.stdout, done.returncode) for done in (real, command("run", "app.py"))]

    return both


POLICY = """
    import asyncio, threading

    class Mine(asyncio.SelectorEventLoop):
        asked = True

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self):
            print("asked for a loop by", threading.current_thread() is threading.main_thread())
            return Mine()

    async def main():
        loop = asyncio.get_running_loop()
        print(type(loop).__name__, isinstance(loop, Mine), loop.asked)

    policy = Policy()
    asyncio.set_event_loop_policy(policy)
    print(asyncio.get_event_loop_policy() is policy)
"""


@pytest.mark.parametrize(
    "use",
    [
        "asyncio.run(main())",
        "with asyncio.Runner() as runner: runner.run(main())",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()",
        "loop = policy.new_event_loop(); loop.run_until_complete(main()); loop.close()",
        "thread = threading.Thread(target=lambda: asyncio.run(main())); thread.start()",
        (
            "loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop);"
            " asyncio.get_event_loop().run_until_complete(main()); loop.close()"
        ),
        "asyncio.set_event_loop_policy(None); asyncio.run(asyncio.sleep(0))",
    ],
)
def test_a_policy_of_the_programs_is_asked(both, use):
    """By all that asks asyncio for a loop; what it makes by asyncio's class is the world's."""
    real, ours = both(dedent(POLICY) + use)
    assert ours == real
    assert ours[1] == 0


def test_a_policy_of_the_programs_that_is_none_of_asyncios_heirs(both):
    """It may have a loop of its own made by asyncio's policy, and keep it itself."""
    real, ours = both("""
        import asyncio

        class Policy(asyncio.AbstractEventLoopPolicy):
            def __init__(self):
                self.base, self.loop = asyncio.get_event_loop_policy(), None

            def new_event_loop(self):
                print("asked")
                return self.base.new_event_loop()

            def get_event_loop(self):
                return self.loop

            def set_event_loop(self, loop):
                self.loop = loop

        async def main():
            print(type(asyncio.get_running_loop()).__name__)

        asyncio.set_event_loop_policy(Policy())
        asyncio.run(main())
    """)
    assert ours == real


def test_a_loop_that_is_none_of_asyncios_is_refused(command, tmp_path):
    """It would live by the machine's clock and network, beside the world, and in silence."""
    (tmp_path / "app.py").write_text(
        dedent("""
            import asyncio

            class Foreign(asyncio.AbstractEventLoop):
                def close(self):
                    print("closed")

            class Policy(asyncio.DefaultEventLoopPolicy):
                def new_event_loop(self):
                    return Foreign()

            asyncio.set_event_loop_policy(Policy())
            asyncio.run(asyncio.sleep(1))
        """)
    )
    done = command("run", "app.py")
    assert done.returncode == 1
    assert done.stdout == "closed\n"
    assert "UnsupportedError" in done.stderr
    assert "Foreign" in done.stderr


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="uvloop has a policy up to 3.13")
def test_uvloops_policy_gives_loops_of_the_world(command, tmp_path):
    """As its other ways to make a loop do."""
    pytest.importorskip("uvloop")
    (tmp_path / "app.py").write_text(
        dedent("""
            import asyncio, uvloop
            async def main():
                await asyncio.sleep(3600)
                print(asyncio.get_running_loop().time())
            uvloop.install()
            asyncio.run(main())
        """)
    )
    done = command("run", "app.py")
    assert (done.stdout, done.returncode) == ("3600.0\n", 0), done.stderr


def test_the_policy_of_a_program_ends_with_it(run):
    """Who runs the command in a process has its own policy afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        before = asyncio.get_event_loop_policy()
        done = run(dedent(POLICY) + "asyncio.run(main())")
        assert (done.status, asyncio.get_event_loop_policy()) == (0, before), done.err


@pytest.mark.skipif(sys.platform != "linux", reason="hosts")
def test_each_process_of_a_host_has_a_policy_of_its_own(tmp_path, capsys):
    """What one sets is not another's, nor the driver's."""
    script = tmp_path / "app.py"
    script.write_text(dedent(POLICY) + "asyncio.run(main())")
    plain = tmp_path / "plain.py"
    plain.write_text(
        "import asyncio, time\ntime.sleep(1)\n"
        "print('plain', type(asyncio.get_event_loop_policy()).__name__)\n"
        "asyncio.run(asyncio.sleep(0))\n"
    )

    async def main():
        world = simloop_.current_world()
        before = asyncio.get_event_loop_policy()
        for name, path in (("a", script), ("b", plain)):
            world.add_host(name, path)
        await asyncio.sleep(2)
        assert [world.hosts[name].processes for name in "ab"] == [(), ()]
        assert asyncio.get_event_loop_policy() is before

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        simloop_.run(main())
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == ["True", "asked for a loop by True", "Mine True True"]
    assert told[3].startswith("plain")
    assert "DefaultEventLoopPolicy" in told[3]


@pytest.mark.skipif(sys.platform != "linux", reason="hosts")
def test_hosts_beside_a_program_of_the_command_have_loops_of_their_own(command, tmp_path):
    """Their loops are named as on any host, though asyncio's functions are the command's."""
    (tmp_path / "world.py").write_text(
        "import asyncio\n"
        "async def serve(): print(asyncio.current_task().get_name())\n"
        "def plain(): asyncio.run(serve())\n"
        "def hosts(world): world.add_host('db', plain)\n"
    )
    (tmp_path / "app.py").write_text("import asyncio; asyncio.run(asyncio.sleep(1))")
    done = command("run", "app.py", "--hosts", "world.py")
    assert (done.stdout, done.returncode) == ("db/Task-1\n", 0)

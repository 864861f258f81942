"""What a program asks of its machine is answered by the world, or refused with the way out."""

# ruff: noqa: PTH123, PTH208, SIM115 - every way to open a file is what is tested

from __future__ import annotations

import asyncio
import getpass
import grp
import io
import json
import locale
import multiprocessing
import os
import pwd
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

import simloop

TEXTS = (
    *("/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat"),
    *("/proc/vmstat", "/proc/diskstats", "/proc/net/dev", "/proc/version"),
    *("/proc/self/stat", "/proc/self/statm", "/proc/self/status", "/proc/self/io"),
    *("/proc/self/schedstat", "/proc/sys/kernel/ostype", "/proc/sys/kernel/hostname"),
    *("/proc/sys/kernel/osrelease", "/proc/sys/kernel/version"),
    *("/proc/sys/kernel/random/uuid", "/proc/sys/kernel/random/boot_id"),
    *("/proc/sys/kernel/random/entropy_avail", "/proc/sys/kernel/random/poolsize"),
    *("/etc/hostname", "/etc/machine-id", "/etc/timezone", "/etc/localtime"),
)
REFUSED = (
    *("/proc/net/tcp", "/proc/1/stat", "/proc/self/maps", "/proc/self/smaps", "/proc/mounts"),
    *("/proc/sys/kernel/random/write_wakeup_threshold", "/proc/cmdline", "/sys/power/state"),
    *("/proc/self/mountinfo", "/proc/self/cgroup"),
)


def by_descriptor(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 10_000)
    finally:
        os.close(fd)


def as_bytes(path):
    return Path(path).read_bytes()


def unbuffered(path):
    with open(path, "rb", 0) as file:
        return file.read()


def as_text(path):
    with open(os.fsencode(path), encoding="latin-1", newline="") as file:
        return file.read().encode("latin-1")


def by_another_spelling(path):
    with open(path.replace("/", "/./"), mode="rb") as file:
        return file.read()


def by_class(path):
    with io.FileIO(path) as file:
        return file.read()


WAYS = [by_descriptor, as_bytes, unbuffered, as_text, by_another_spelling]


async def ask():
    """Return what can be asked of the machine."""
    await asyncio.sleep(2.5)
    texts = [Path(path).read_bytes().decode("latin-1") for path in TEXTS]
    asked = (
        *(os.cpu_count(), multiprocessing.cpu_count(), sorted(os.sched_getaffinity(0))),
        *(os.sysconf("SC_NPROCESSORS_ONLN"), os.sysconf("SC_PHYS_PAGES"), os.getloadavg()),
        *(resource.getrusage(resource.RUSAGE_SELF), os.times(), time.process_time()),
        *(os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getresuid(), os.getgroups()),
        *(getpass.getuser(), os.getlogin(), pwd.getpwuid(os.getuid()), pwd.getpwall()),
        *(grp.getgrgid(os.getgid()), grp.getgrall(), Path(__file__).group() in {"user", "root"}),
        *(locale.setlocale(locale.LC_ALL), locale.setlocale(locale.LC_ALL, "")),
        *(time.strftime("%A"), locale.localeconv()["decimal_point"], locale.getlocale()),
    )
    if hasattr(os, "process_cpu_count"):
        asked = (*asked, os.process_cpu_count())
    return [*texts, *map(str, asked)]


@pytest.mark.slow
def test_every_machine_and_user_tells_the_same():
    """Another environment, fewer processors, another place in memory: the same answers."""
    program = (
        f"import sys, json, simloop; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from test_machine import ask; print(json.dumps(simloop.run(ask(), seed=3)))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for env in ({"USER": "ann", "LC_ALL": "C.UTF-8"}, {"LOGNAME": "joe", "LANG": "POSIX"})
    ]
    assert told[0] == told[1] == json.dumps(simloop.run(ask(), seed=3)) + "\n"


def test_numbers_agree_with_files():
    """What functions tell, files tell as well."""

    async def main():
        await asyncio.sleep(1)
        while time.process_time() < 0.5:
            pass
        assert Path("/proc/cpuinfo").read_text().count("processor") == os.cpu_count()
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
        assert f"MemTotal:        {pages} kB" in Path("/proc/meminfo").read_text()
        status = Path("/proc/self/stat").read_text().split()
        assert status[0] == str(os.getpid())
        assert int(status[13]) == 50 == int(resource.getrusage(resource.RUSAGE_SELF).ru_utime * 100)
        assert Path("/proc/stat").read_text().split()[:5] == ["cpu", "50", "0", "0", "550"]
        assert len(status) == 52
        assert Path(f"/proc/{os.getpid()}/stat").read_text().split() == status
        assert Path("/proc/uptime").read_text().startswith("1.50 ")
        assert Path("/etc/hostname").read_text() == os.uname().nodename + "\n"
        assert pwd.getpwuid(os.getuid()) == pwd.getpwnam(getpass.getuser())
        with pytest.raises(KeyError, match="uid not found: 77"):
            pwd.getpwuid(77)
        with pytest.raises(KeyError, match="name not found: 'nobody'"):
            grp.getgrnam("nobody")

    simloop.run(main())


def test_files_of_the_program_s_user_are_its_own(tmp_path):
    """What a run writes belongs to the user that it is told it runs as, however that is asked."""
    path = tmp_path / "file"

    async def main():
        path.write_text("x")
        with path.open() as file, os.scandir(tmp_path) as entries:
            status = [
                *(path.stat(), path.lstat(), os.fstat(file.fileno()), tmp_path.stat()),
                *(entry.stat() for entry in entries),
            ]
        assert path.owner() == getpass.getuser()
        return {(each.st_uid, each.st_gid) for each in status}, (os.getuid(), os.getgid())

    owners, user = simloop.run(main())
    assert owners == {user}
    real = path.stat()
    assert (real.st_uid, real.st_gid) == (os.getuid(), os.getgid())


@pytest.mark.parametrize("how", ["positions", "names", "descriptor"])
def test_giving_a_file_to_the_program_s_user_keeps_it(tmp_path, how):
    """``os.chown`` takes the user of the run for the real one, to whom the file belongs anyway."""
    path = tmp_path / "file"

    async def main():
        path.touch()
        if how == "positions":
            os.chown(path, os.getuid(), os.getgid())
        elif how == "names":
            os.chown(path=path, uid=os.getuid(), gid=-1)
        else:
            with path.open() as file:
                os.fchown(file.fileno(), os.getuid(), os.getgid())

    simloop.run(main())
    assert path.stat().st_uid == os.getuid()


def test_files_have_their_real_owner_where_the_machine_is_allowed(tmp_path):
    """Where a program asks for the real user, it finds that user's files."""

    async def main():
        with simloop.allow("machine"):
            return tmp_path.stat().st_uid == os.getuid()

    assert simloop.run(main())


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_read_a_file_reads_the_world_s(way):
    """A text of the world is read in whatever way a file can be opened; seeking works."""

    async def main():
        return [way(path) for path in TEXTS]

    first = simloop.run(main(), seed=4)
    assert simloop.run(main(), seed=4) == first
    assert simloop.run(main(), seed=5) != first  # Random numbers follow the seed.


def test_descriptors_of_such_files_are_given_back():
    """Nothing stays open."""

    async def main():
        for way in WAYS:
            way("/proc/uptime")
        with open("/proc/uptime") as file:
            assert file.name == "/proc/uptime"
            assert file.read() == "0.00 0.00\n"
            assert file.seek(0) == 0
            assert file.read() == "0.00 0.00\n"
        with pytest.raises(ValueError, match="unbuffered"):
            open("/proc/uptime", encoding="ascii", buffering=0)

    before = os.listdir("/proc/self/fd")
    simloop.run(main())
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize("way", [as_bytes, by_descriptor, by_class])
def test_what_the_world_has_no_text_for_is_refused(path, way):
    """A file of the machine without a text is an escape, which names the way out."""

    async def main():
        way(path)

    with pytest.raises(
        simloop.EscapeError, match=r'the machine is real.*simloop.allow\("machine"\)'
    ):
        simloop.run(main())


@pytest.mark.parametrize(
    "look", [os.listdir, lambda path: next(os.scandir(path)), lambda path: next(os.walk(path))]
)
def test_processes_and_devices_of_the_machine_are_not_listed(look):
    """Folders of ``/proc`` and ``/sys`` tell what else runs on the machine."""

    async def main(path):
        look(path)

    for path in ("/proc", "/sys/class/net", Path("/proc/1")):
        with pytest.raises(simloop.EscapeError):
            simloop.run(main(path))


@pytest.mark.parametrize("path", ["/dev/urandom", "/dev/random"])
def test_random_devices_are_the_seed_s_or_refused(path):
    """``open`` draws from the seed; a descriptor of the system's would draw from the machine."""

    async def main():
        with open(path, "rb") as file:
            return file.read(8)

    async def by_system():
        os.open(path, os.O_RDONLY)

    assert simloop.run(main()) == simloop.run(main())
    with pytest.raises(simloop.EscapeError, match="draws from the real machine"):
        simloop.run(by_system())


def test_what_the_program_was_given_is_there():
    """Arguments, environment and descriptors of the process are as in ``sys`` and ``os``."""

    async def main():
        assert Path("/proc/self/cmdline").read_bytes()
        assert Path("/proc/self/environ").read_bytes()
        assert os.listdir("/proc/self/fd")
        assert Path("/dev/null").read_bytes() == b""
        assert Path("/etc/passwd").read_bytes()

    simloop.run(main())


def test_the_real_machine_may_be_asked():
    """``allow("machine")`` is the way to it."""

    async def main():
        with simloop.allow("machine"):
            return (
                os.cpu_count(), os.getuid(), Path("/proc/self/maps").read_text() != "",
                Path("/proc/version").read_text(), pwd.getpwuid(0), resource.getrusage(0).ru_maxrss,
            )  # fmt: skip

    told = simloop.run(main())
    assert told[:2] == (os.cpu_count(), os.getuid())
    assert told[2:5] == (True, Path("/proc/version").read_text(), pwd.getpwuid(0))
    assert told[5] != 51_200


CHANGES = [
    lambda: os.setuid(os.getuid()),
    lambda: os.setgroups([]),
    lambda: os.nice(0),
    lambda: os.sched_setaffinity(0, {0}),
    lambda: resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)),
]


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_the_real_process_are_refused(change):
    """What would outlive the run is an escape."""

    async def main():
        change()

    with pytest.raises(simloop.EscapeError, match="would change the real process"):
        simloop.run(main())


def test_a_name_that_a_test_sets_is_the_user_s(monkeypatch):
    """``getpass`` follows the environment where it is not the one that the process began with."""

    async def main():
        return getpass.getuser()

    assert simloop.run(main()) == "user"
    monkeypatch.setenv("LOGNAME", "ann")
    assert simloop.run(main()) == "ann"


@pytest.mark.parametrize("before", ["C", "C.UTF-8"])
def test_a_locale_that_a_run_sets_ends_with_it(before):
    """The process has its own again after a run, and so has the next run, in the same world too."""
    seen = []

    async def main():
        seen.append(locale.setlocale(locale.LC_ALL))
        locale.setlocale(locale.LC_ALL, "POSIX")
        seen.append(locale.setlocale(locale.LC_CTYPE))

    known = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, before)
    try:
        for _ in range(2):
            simloop.run(main())
            assert locale.setlocale(locale.LC_ALL) == before
        world = simloop.World()
        for _ in range(2):
            simloop.run(main(), world=world)
    finally:
        locale.setlocale(locale.LC_ALL, known)
    first = seen[0]
    assert seen == [first, "C", first, "C", first, "C", "C", "C"]
    assert first != "C"


def test_the_locale_is_the_run_s():
    """A run begins in the same locale, whatever the process has set, and leaves that alone."""

    async def look():
        return locale.setlocale(locale.LC_ALL)

    async def change():
        locale.setlocale(locale.LC_ALL, "C")

    known = locale.setlocale(locale.LC_ALL)
    expected = simloop.run(look())
    try:
        locale.setlocale(locale.LC_ALL, "POSIX")
        assert simloop.run(look()) == expected
        assert locale.setlocale(locale.LC_ALL) == "C"
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        simloop.run(change())
        assert locale.setlocale(locale.LC_ALL) == "C.UTF-8"
        assert simloop.run(look()) == expected
    finally:
        locale.setlocale(locale.LC_ALL, known)


def test_psutil_tells_of_the_world_s_process():
    """What psutil reads of ``/proc`` is the world's, too."""
    psutil = pytest.importorskip("psutil")

    async def main():
        await asyncio.sleep(1)
        me = psutil.Process()
        return (
            me.memory_info().rss, me.cpu_times().user, psutil.virtual_memory().total,
            psutil.cpu_count(), me.create_time(), me.num_threads(), psutil.boot_time(),
        )  # fmt: skip

    assert simloop.run(main()) == simloop.run(main())
    assert simloop.run(main())[0] == 50 << 20

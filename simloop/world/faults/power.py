"""Faults of power and processes: crash, kill, pause.

Owns: what they do to a host, and how a host is up again afterwards.

Must not know: when they strike.

Invariant: a host that the program itself has switched off, killed or paused is left as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .act import Act

__all__ = ["crash", "kill", "pause"]

_SORT = "power"


def crash(act: Act) -> None:
    """Cut the power of a host; boot it again."""
    host = act.host
    if host.state == "off":
        return
    boots = host.boots

    def undo() -> str:
        if host.state != "off" or host.boots != boots:
            return ""  # The program has booted it, and perhaps switched it off again.
        host.restart()
        return f"{host.name} boots"

    act.begin(f"{host.name} loses its power", undo, sort=_SORT)
    host.crash()


def kill(act: Act) -> None:
    """Kill the program of a host; start it again, if its restart policy has not."""
    host = act.host
    process = host.program_process
    if process is None:
        return

    def undo() -> str:
        if host.state == "off" or host.program_process is not None:
            return ""
        host.start_again()
        return f"the program of {host.name} starts again"

    act.begin(f"the program of {host.name} is killed", undo, sort=_SORT)
    process.kill()


def pause(act: Act) -> None:
    """Stop all processes of a host; let them go on."""
    host = act.host
    stopped = [each for each in host.processes if not each.is_paused]
    if not stopped:
        return

    def undo() -> str:
        for process in stopped:
            process.resume()
        return f"{host.name} goes on"

    act.begin(f"all processes of {host.name} stop", undo, sort=_SORT)
    for process in stopped:
        process.pause()

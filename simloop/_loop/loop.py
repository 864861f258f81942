"""The loop: every part of this folder, put together.

Owns nothing of its own but the order in which a loop closes. Each part is a class on top of
:class:`~.state.LoopState` and on nothing else of ours. They are listed in the order of asyncio's
documentation (Library reference, "Event loop", of Python 3.14); in parentheses what is ours:

=============================  ===================================================================
Running and stopping the loop  ``core/lifecycle``, (``core/secondary``: by a thread of the run),
                               (``core/driving``: by another program, step by step),
                               (``core/generator_hooks``: who hears of asynchronous generators)
Callbacks, delayed callbacks   ``core/scheduling``, (``core/callbacks``: their checks)
Futures and tasks              ``core/tasks``
Opening network connections    ``io/connecting``, ``io/datagrams``, ``io/unix``, with what they
                               share: (``io/connections``)
Creating network servers       ``io/serving``, ``io/unix``
Transferring files             ``io/sendfile``
TLS upgrade                    ``io/tls``
Watching file descriptors      ``io/readiness``, (``io/selector``: what is ready, from memory)
Working with socket objects    ``io/sock_calls``
DNS                            ``io/resolving``
Working with pipes             ``io/unix``
UNIX signals                   ``core/signal_handlers``
Thread and process pools       ``core/executors``
Error handling                 ``core/reporting``
Debug mode                     ``core/lifecycle``
Running subprocesses           ``core/subprocesses``
=============================  ===================================================================

A part calls another one by what :mod:`.state` declares; none imports another one's file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.driving import Driving
from .core.executors import Executors
from .core.lifecycle import Lifecycle
from .core.reporting import Reporting
from .core.scheduling import Scheduling
from .core.secondary import SecondaryLoop
from .core.signal_handlers import Signals
from .core.subprocesses import Processes
from .core.tasks import Tasks
from .io.connecting import Connecting
from .io.connections import Connections
from .io.datagrams import Datagrams
from .io.readiness import Readiness
from .io.resolving import Names
from .io.sendfile import Sendfile
from .io.serving import Serving
from .io.sock_calls import LowLevel
from .io.tls import Tls
from .io.unix import Pipes, Unix

if TYPE_CHECKING:
    from simloop._process import Process

    from .world_interface import WorldPort

__all__ = ["SimLoop"]


class SimLoop(
    # The one order that counts: SecondaryLoop.run_forever is around Lifecycle's, by super().
    SecondaryLoop,
    Lifecycle,
    Driving,
    Scheduling,
    Tasks,
    Connections,
    Connecting,
    Datagrams,
    Unix,
    Serving,
    Sendfile,
    Tls,
    Readiness,
    LowLevel,
    Names,
    Pipes,
    Signals,
    Executors,
    Reporting,
    Processes,
):
    """A deterministic asyncio event loop in virtual time.

    Args:
        seed: Where all randomness of the world comes from, 0 if None; the same seed gives the
            same run.
        start_time: What :meth:`time` shows at first, in seconds; 0.0 if None.
        autojump: Jump to the next deadline when nothing is ready. If false, only
            :meth:`advance` and the driving calls move the clock.
        world: The :class:`simloop.World` to live in, whose seed and time are its own; by default
            a new one.
        process: The process of that world that the loop is of; by default the caller's.

    Raises:
        UsageError: ``start_time`` is negative, infinite or no number; or a seed or a time was given
            beside a world.

    Example:
        >>> import asyncio, simloop
        >>> with asyncio.Runner(loop_factory=simloop.SimLoop) as runner:
        ...     runner.run(asyncio.sleep(3600, "an hour later"))
        'an hour later'
    """

    def __init__(
        self,
        *,
        seed: int | str | None = None,
        start_time: float | None = None,
        autojump: bool = True,
        world: WorldPort | None = None,
        process: Process | None = None,
    ) -> None:
        super().__init__(
            seed=seed, start_time=start_time, autojump=autojump, world=world, process=process
        )

    def close(self) -> None:
        """Drop everything that is scheduled, and refuse what comes later."""
        if not self._closed and not self.is_running():
            self._end_threads()
            self._close_files()
            self._forget_signal_handlers()
            self._end_detached()
        super().close()

    def _leaves_nothing(self) -> bool:
        """Return whether nothing is left that would have to be ended in steps, but for tasks."""
        return (
            not self._kernel.has_work()  # asyncio's runner lets two more turns go by.
            and not self._asyncgens
            and self._workers is None
            and self._default_executor is None
        )

"""The corpus: each bug with its twin and what it fails by, and each program that is right.

Owns: the list, and which part of it is kept apart.
Must not know: any tool that looks for bugs.
Invariants: names and sources are unique; every program is a coroutine function without arguments
that keeps no state between calls, and passes on the undisturbed schedule.

Nothing but the standard library is imported, so any tool in any environment can be tried on it. A
third of the bugs is *held out*: nobody who chooses a parameter of a search may look at it first.
"""

from __future__ import annotations

import asyncio
import inspect
import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from bugs.caches import (
    cancelled_for_all,
    clear_then_fill,
    failure_kept,
    invalidated_in_flight,
    older_wins,
    refresh_token,
    stampede,
)
from bugs.lifecycles import (
    first_completed,
    flag_reset,
    gap_before_subscribing,
    lease_expired,
    old_generation,
    ping_after_close,
    reconnect_twice,
    shared_retries,
    swallowed_cancellation,
    two_winners,
)
from bugs.locks import (
    cancelled_head,
    check_clear_wait,
    notify_lost,
    queue_handoff,
    semaphore_wakeup,
    shared_event,
)
from bugs.pools import (
    cancelled_is_no_exception,
    checkout_cancelled,
    connect_twice,
    ghost_in_line,
    idle_reuse,
    late_reply_is_fatal,
    sent_twice,
    stale_reply,
)
from bugs.preempted import (
    cleared_unseen,
    counted_in_a_file,
    folder_made_between,
    grown_while_read,
    looked_empty,
    made_twice,
    one_name_for_two,
    one_too_many,
    spent_twice,
    stolen_twice,
    taken_crosswise,
    written_while_rotated,
)
from bugs.promises import arrivals, ready, wakeups
from bugs.streams import (
    dropped_key,
    fragments_interleaved,
    half_record,
    late_answer,
    leaked_timer,
    lost_with_the_handshake,
    parallel_drain,
    recv_with_timeout,
    registered_late,
    short_header,
    two_readers,
)
from bugs.threads import (
    lost_update,
    opened_for_no_one,
    pool_of_waiters,
    put_into_the_closed,
    result_for_no_one,
    still_at_work,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    Main = Callable[[], Awaitable[None]]

Kind = Literal["assertion", "error", "deadlock", "callback", "unretrieved"]


@dataclass(frozen=True)
class Bug:
    """A program that fails under some timing, and the one that does not.

    Attributes:
        name: Theme and file, as in ``"locks.notify_lost"``.
        source: Where it was reported.
        story: What happens, in a paragraph, and what fails.
        buggy: The program.
        fixed: Its corrected twin.
        kind: How it fails: an assertion of its own, another error that ends it, a deadlock, an
            error in a callback of the loop, an error in a task that nobody retrieves.
        errors: The types of the error, the usual one first; none for a deadlock.
        may_hang: Whether a deadlock is a way in which it fails.
        is_held_out: Not to be looked at while a search is tuned.
    """

    name: str
    source: str
    story: str
    buggy: Main
    fixed: Main
    kind: Kind
    errors: tuple[type[BaseException], ...]
    may_hang: bool
    is_held_out: bool


@dataclass(frozen=True)
class Right:
    """A correct program that relies on a promise of asyncio's."""

    name: str
    promise: str
    main: Main


def _bug(
    module: ModuleType,
    kind: Kind = "assertion",
    *errors: type[BaseException],
    may_hang: bool = False,
    held_out: bool = False,
) -> Bug:
    return Bug(
        name=module.__name__.removeprefix("bugs."),
        source=module.SOURCE,
        story=inspect.cleandoc(module.__doc__ or ""),
        buggy=module.buggy,
        fixed=module.fixed,
        kind=kind,
        errors=(AssertionError,) if kind == "assertion" else errors,
        may_hang=may_hang or kind == "deadlock",
        is_held_out=held_out,
    )


def _rights(module: ModuleType) -> list[Right]:
    theme = module.__name__.removeprefix("bugs.")
    return [
        Right(f"{theme}.{name}", inspect.cleandoc(main.__doc__ or ""), cast("Main", main))
        for name, main in vars(module).items()
        if inspect.iscoroutinefunction(main) and main.__module__ == module.__name__
    ]


BUGS = (
    _bug(cancelled_head, "deadlock"),
    _bug(check_clear_wait, "deadlock", held_out=True),
    _bug(notify_lost, "deadlock"),
    _bug(queue_handoff),
    _bug(semaphore_wakeup, "deadlock", held_out=True),
    _bug(shared_event, "error", KeyError, may_hang=True),
    _bug(cancelled_is_no_exception, "deadlock", held_out=True),
    _bug(checkout_cancelled, "deadlock"),
    _bug(connect_twice),
    _bug(ghost_in_line, "deadlock"),
    _bug(idle_reuse, "error", ConnectionResetError, held_out=True),
    _bug(late_reply_is_fatal, "error", asyncio.InvalidStateError),
    _bug(sent_twice, held_out=True),
    _bug(stale_reply),
    _bug(dropped_key, held_out=True),
    _bug(fragments_interleaved),
    _bug(half_record),
    _bug(late_answer),
    _bug(leaked_timer, held_out=True),
    _bug(lost_with_the_handshake, "deadlock", AssertionError),
    _bug(parallel_drain, held_out=True),
    _bug(recv_with_timeout),
    _bug(registered_late, "deadlock"),
    _bug(short_header),
    _bug(two_readers, "error", RuntimeError, held_out=True),
    _bug(cancelled_for_all),
    _bug(clear_then_fill, "error", PermissionError, held_out=True),
    _bug(failure_kept, "error", TimeoutError),
    _bug(invalidated_in_flight),
    _bug(older_wins, held_out=True),
    _bug(refresh_token, "error", PermissionError),
    _bug(stampede),
    _bug(lost_update),
    _bug(opened_for_no_one),
    _bug(pool_of_waiters, "deadlock", held_out=True),
    _bug(put_into_the_closed, "deadlock"),
    _bug(result_for_no_one, "callback", asyncio.InvalidStateError),
    _bug(still_at_work, held_out=True),
    _bug(first_completed, held_out=True),
    _bug(flag_reset, "error", ConnectionError),
    _bug(gap_before_subscribing, "deadlock", held_out=True),
    _bug(lease_expired),
    _bug(old_generation, "error", LookupError),
    _bug(ping_after_close, "unretrieved", ConnectionResetError),
    _bug(reconnect_twice),
    _bug(shared_retries, "error", shared_retries.GaveUpError, held_out=True),
    _bug(swallowed_cancellation, "deadlock"),
    _bug(two_winners),
    _bug(cleared_unseen, "deadlock", held_out=True),
    _bug(counted_in_a_file),
    _bug(folder_made_between, "error", FileExistsError),
    _bug(grown_while_read, "error", RuntimeError, held_out=True),
    _bug(taken_crosswise, "deadlock"),
    _bug(looked_empty, "error", queue.Empty),
    _bug(made_twice),
    _bug(one_name_for_two, "error", FileNotFoundError),
    _bug(one_too_many),
    _bug(spent_twice),
    _bug(stolen_twice, held_out=True),
    _bug(written_while_rotated, "error", ValueError, held_out=True),
)
RIGHT = (*_rights(ready), *_rights(wakeups), *_rights(arrivals))

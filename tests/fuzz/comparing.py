"""How a program is run on both arms, and what is said of it where the answers are not the same.

Owns: running it twice, the second look at the real arm, and holding the first difference against
the list of what differs by design. Must not know what a program does.

The real arm runs without any wait. A kernel that did not come to something yet (a segment in a
queue of another processor) answers otherwise then, so a program that seems to differ is run again
on the real arm, with a little time after each call, before anything is said of it.
"""

from __future__ import annotations

import gc
import itertools
import os
import warnings

from hypothesis import HealthCheck, given, settings

PATIENCE = 0.005
"""Real seconds after each call when a program is run again."""


GARBAGE = 200
"""After so many programs the garbage is collected, which runs put aside as long as they last."""


def budget(programs):
    """Return how many programs are tried: those of the fast suite, or SIMLOOP_FUZZ of each kind."""
    return int(os.environ.get("SIMLOOP_FUZZ", programs))


def first_difference(real, virtual):
    """Return the index of the first answers that are not the same, or None."""
    for index, (one, other) in enumerate(zip(real, virtual, strict=False)):
        if one != other:
            return index
    return None if len(real) == len(virtual) else min(len(real), len(virtual))


def compare(program, run_real, run_virtual, known):
    """Run a program on both arms; return the known difference that ends the comparison, or None.

    Args:
        program: The program.
        run_real: Runs it on the machine: ``run_real(program, patience)`` gives a list of answers.
        run_virtual: Runs it in a world: ``run_virtual(program)`` gives such a list.
        known: What differs by design.

    Raises:
        AssertionError: The answers differ, and no known difference explains it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        virtual = run_virtual(program)
        real = run_real(program, 0)
        if real != virtual:
            real = run_real(program, PATIENCE)
    index = first_difference(real, virtual)
    if index is None:
        return None
    for difference in known:
        if difference.explains(real[: index + 1], virtual[: index + 1]):
            return difference
    told = [
        f"  {number}: {answer}" if number < index else f"> {number}: real    {answer}"
        for number, answer in enumerate(real[: index + 1])
    ]
    told += [f"  {index}: virtual {answer}" for answer in virtual[index : index + 1]]
    raise AssertionError("\n".join(["the arms differ in", repr(program), *told]))


def search(programs, count, check):
    """Let Hypothesis draw so many programs and check each; it shrinks the first that fails.

    Args:
        programs: A strategy.
        count: How many.
        check: Called with each program; raises where it is answered otherwise.
    """

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize="SIMLOOP_FUZZ" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs)
    def look(program):
        check(program)
        if next(done) % GARBAGE == 0:
            gc.collect()

    done = itertools.count(1)
    look()

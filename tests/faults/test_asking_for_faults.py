"""What a user may say of faults, and where."""

from __future__ import annotations

import asyncio
import math

import pytest

import simloop
from simloop import Faults, Often
from simloop.errors import UsageError

BAD = {
    "a negative number of times": (lambda: Faults(crash=-1), "crash=-1"),
    "a rate that is a float": (lambda: Faults(kill=0.5), "kill=0.5"),
    "a text": (lambda: Faults(pause="often"), "pause='often'"),
    "no time": (lambda: Faults(until=0), "until=0"),
    "never": (lambda: Faults(until=math.inf), "until=inf"),
    "not a number": (lambda: Often(every=math.nan), "every=nan"),
    "a bool for a time": (lambda: Often(every=True), "every=True"),
    "no length": (lambda: Often(every=1, lasting=0), "lasting=0"),
    "lengths the wrong way round": (lambda: Often(every=1, lasting=(2, 1)), "longer"),
    "three lengths": (lambda: Often(every=1, lasting=(1, 2, 3)), "shortest, longest"),
    "one name": (lambda: Faults(hosts="db"), r"\['db'\]"),
    "no hosts": (lambda: Faults(hosts=[]), "collection of hosts"),
    "a number for hosts": (lambda: Faults(hosts=3), "collection of hosts"),
}


@pytest.mark.parametrize("name", BAD)
def test_values_that_mean_nothing_are_refused_at_the_call(name):
    """A bad value is a UsageError that shows it."""
    make, shown = BAD[name]
    with pytest.raises(UsageError, match=shown):
        make()


def test_a_disk_fails_only_if_asked_for():
    """It is not among the kinds that are on where nothing is said."""
    assert "disk" not in Faults().rates()
    assert Faults(disk=2).rates() == {"disk": 2}
    assert Faults(disk=False, crash=1).rates() == {"crash": 1}


def test_kinds_are_off_if_others_are_named():
    """Nothing said means all; one kind named means that one; False and 0 are off."""
    assert len(Faults().rates()) == 8
    assert list(Faults(crash=True, kill=False, pause=0).rates()) == ["crash"]


async def idle():
    """Run for an hour."""
    await asyncio.sleep(3600)


INJECTED = {
    "no faults": (lambda world: world.inject("crash"), r"simloop\.Faults"),
    "no such host": (lambda world: world.inject(Faults(hosts=["web"])), "'web' is no host"),
    "the driver": (lambda world: world.inject(Faults(hosts=["driver"])), "driver is never"),
    "the driver itself": (lambda world: world.inject(Faults(hosts=[world.driver])), "driver is"),
    "another world's": (
        lambda world: world.inject(Faults(hosts=[simloop.World().add_host("bare")])),
        "no host of this world",
    ),
    "no program": (lambda world: world.inject(Faults(crash=1, hosts=["bare"])), "no program"),
}


@pytest.mark.parametrize("name", INJECTED)
def test_an_injection_that_cannot_be_is_refused_at_the_call(name):
    """A host that is not there, or cannot be started again, is a UsageError that names it."""
    world = simloop.World()
    world.add_host("bare")
    inject, shown = INJECTED[name]
    with pytest.raises(UsageError, match=shown):
        inject(world)


def test_nothing_is_injected_after_the_run():
    """A world whose run has ended takes no faults."""
    world = simloop.World()
    world.add_host("db", idle)
    simloop.run(asyncio.sleep(1), world=world)
    with pytest.raises(UsageError, match="has ended"):
        world.inject(Faults(crash=1))


def test_faults_may_be_injected_before_the_run():
    """A campaign that was injected outside of the run begins with it."""
    world = simloop.World(seed=3)
    world.add_host("db", idle)
    campaign = world.inject(Faults(crash=1, until=5))
    simloop.run(campaign.healed(), world=world)
    assert [event.kind for event in campaign.events] == ["crash", "crash"]
    assert campaign.events[0].hosts == ("db",)
    assert world.time_ns == 5_000_000_000

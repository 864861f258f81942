"""``datetime`` inside a run."""

from __future__ import annotations

import datetime as dt
import pickle
import sys
import types
import warnings
from dataclasses import dataclass, field
from datetime import date, datetime

import pytest

from simloop._sandbox.patching import registry


@dataclass
class Record:
    """Holds a bound method that was taken before any run."""

    created: datetime = field(default_factory=datetime.now)
    day: date = field(default_factory=date.today)


class Moment(datetime):
    """A program's own subclass."""


class Fixed(datetime):
    """A subclass that says itself what time it is."""

    @classmethod
    def now(cls, tz=None):
        return cls(1999, 12, 31, tzinfo=tz)


held_now, held_utcnow, held_fixed = Moment.now, Moment.utcnow, Fixed.now


class Eastern(dt.tzinfo):
    """Five hours behind, and counts how often it is asked."""

    def utcoffset(self, when):
        return dt.timedelta(hours=-5)

    def dst(self, when):
        return dt.timedelta(0)


NOON = 12 * 3600 * 10**9 + 123_456_789


@pytest.fixture
def noon(make, clock, request):
    """Run the test inside a world where it is noon."""
    clock.now_ns = NOON
    request.node.sandbox = make()


@pytest.mark.usefixtures("noon")
def test_now_follows():
    """``now`` in any zone is the run's moment, cut to microseconds."""
    assert datetime.now(dt.UTC) == datetime(2024, 1, 1, 12, 0, 0, 123456, dt.UTC)
    assert datetime.now(tz=Eastern()).hour == 7
    assert datetime.now().astimezone(dt.UTC) == datetime.now(dt.UTC)
    assert datetime.now() == datetime.fromtimestamp(1704110400.123456)  # noqa: DTZ005, DTZ006


@pytest.mark.usefixtures("noon")
def test_today_follows():
    """``today`` of both classes follows; as ever it rounds to microseconds where ``now`` cuts."""
    assert date.today() == datetime.now().date()  # noqa: DTZ005, DTZ011
    assert datetime.today() - datetime.now() == dt.timedelta(microseconds=1)  # noqa: DTZ002, DTZ005


@pytest.mark.usefixtures("noon")
def test_utcnow_follows_and_warns_as_ever():
    """``utcnow`` follows; where Python deprecates it, it still does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert datetime.utcnow() == datetime(2024, 1, 1, 12, 0, 0, 123456)  # noqa: DTZ001, DTZ003
    assert len(caught) == (sys.version_info >= (3, 12))
    assert all(warning.filename == __file__ for warning in caught)


@pytest.mark.usefixtures("noon")
def test_bound_methods_follow():
    """A ``default_factory`` taken before the run follows."""
    record = Record()
    assert record.created.year == 2024
    assert record.day == datetime.now().date()  # noqa: DTZ005


@pytest.mark.usefixtures("noon")
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_bound_methods_of_subclasses_follow():
    """So does one of a subclass, unless that has a method of its own."""
    assert held_now(dt.UTC) == datetime(2024, 1, 1, 12, 0, 0, 123456, dt.UTC)
    assert type(held_now()) is type(held_utcnow()) is Moment
    assert held_utcnow().year == 2024
    assert held_fixed().year == 1999


@pytest.mark.usefixtures("noon")
def test_types_stay():
    """The classes are the ones they were, for ``type``, ``isinstance``, subclasses and pickles."""
    now = datetime.now(dt.UTC)
    assert type(now) is datetime
    assert isinstance(now, datetime)
    assert type(Moment.now(dt.UTC)) is Moment
    assert type(Moment.now()) is Moment
    assert pickle.loads(pickle.dumps(now)) == now  # noqa: S301
    assert now - dt.timedelta(days=1) < now
    assert now.now(dt.UTC) == now


@pytest.mark.usefixtures("noon")
def test_errors_are_as_ever():
    """What is no time zone is refused."""
    with pytest.raises(TypeError, match="tzinfo argument must be None or of a tzinfo subclass"):
        datetime.now(5)
    with pytest.raises(TypeError):
        datetime.now(dt.UTC, dt.UTC)


def test_the_second_of_two_equal_hours_is_marked(make, clock):
    """In the hour that a zone repeats, local time carries ``fold``."""
    start = datetime(2024, 10, 27, 0, 30, tzinfo=dt.UTC)
    with make(start_date=start, zone="CET-1CEST,M3.5.0,M10.5.0/3"):
        first = datetime.now()  # noqa: DTZ005
        clock.now_ns = 3600 * 10**9
        second = datetime.now()  # noqa: DTZ005
        of_subclass = Moment.now()
    assert (first.hour, first.fold) == (second.hour, 0) == (2, 0)
    assert second.fold == of_subclass.fold == 1


def test_outside_all_is_real():
    """After a run the methods are the ones of C again, and tell the real date."""
    assert datetime.now(dt.UTC).year > 2024
    assert type(vars(datetime)["now"]).__name__ == "classmethod_descriptor"
    assert Record().created.year > 2024
    assert held_now().year > 2024


def test_a_held_method_is_redirected_once(monkeypatch):
    """However often modules come and go; the real function beside it looks as the held one does."""

    def look(name):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        with registry.sealed():
            return len(registry._redirects)

    assert look("first_to_come") == look("second_to_come") == look("third_to_come")

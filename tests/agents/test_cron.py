"""Times that come again."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from guru.agents.cron import Schedule
from guru.errors import InvalidParameter


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("expression", "now", "then"),
    [
        ("* * * * *", "2026-03-01 10:00:30", "2026-03-01 10:01"),
        ("0 7 * * 1-5", "2026-11-27 07:00", "2026-11-30 07:00"),  # Friday to Monday
        ("*/15 9-10 * * *", "2026-03-01 10:45", "2026-03-02 09:00"),
        ("0 0 29 2 *", "2026-03-01 00:00", "2028-02-29 00:00"),
        ("0 12 13 * fri", "2026-11-01 00:00", "2026-11-06 12:00"),  # either of both
        ("0 12 */2 * sun", "2026-11-02 00:00", "2026-11-15 12:00"),  # both: a star does not restrict
        ("30 6 1 jan,jul *", "2026-02-01 00:00", "2026-07-01 06:30"),
        ("5/20 * * * *", "2026-01-01 00:30", "2026-01-01 00:45"),
        ("0 0 * * 7", "2026-11-28 00:00", "2026-11-29 00:00"),  # Sunday is 0 and 7
        ("@daily", "2026-12-31 23:59", "2027-01-01 00:00"),
    ],
)
def test_the_next_time(expression, now, then):
    assert Schedule(expression).after(at(now)) == at(then)


def test_clocks_that_change():
    berlin = "Europe/Berlin"
    night = Schedule("30 2 * * *", berlin)
    # 02:30 is left out on 29 March 2026, and comes twice on 25 October.
    assert night.after(at("2026-03-28 12:00", berlin)) == at("2026-03-29 03:30", berlin)
    assert night.after(at("2026-03-29 04:00", berlin)) == at("2026-03-30 02:30", berlin)
    first = night.after(at("2026-10-24 12:00", berlin))
    assert first == at("2026-10-25 02:30", berlin)
    assert night.after(first) == at("2026-10-26 02:30", berlin)
    assert Schedule("0 7 * * *", berlin).after(at("2026-07-01 00:00")) == at("2026-07-01 05:00")


@pytest.mark.parametrize(
    "wrong",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "5-1 * * * *", "* * 0 * *", "* * * foo *", "*/0 * * * *", "0 0 30 2 *",
     "1,,2 * * * *", "* * * * 8", "-1 * * * *", "99999999999999999999 * * * *"],
)  # fmt: skip
def test_what_is_no_schedule(wrong):
    with pytest.raises(InvalidParameter, match="not valid"):
        Schedule(wrong)


def test_no_such_time_zone():
    for zone in ("Mars/Olympus", "", "../../etc/passwd"):
        with pytest.raises(InvalidParameter, match="no time zone"):
            Schedule("@daily", zone)

"""Dates as filters compare them: ISO 8601, in whole or in part, each the span of time that it names.

`2021` is a year, `2021-03` a month, `2021-03-04` a day, `2021-03-04T10:00+02:00` a minute. A time without a zone, and
a date, which has none, is in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

_DATE: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?:[Tt ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r" ?(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)?)?)?)?",
    re.ASCII,
)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


class Span(NamedTuple):
    """From `start` until just before `end`, both in UTC."""

    start: datetime
    end: datetime


def read_date(text: Any) -> Span | None:
    """The span that a text names; None for what is no date."""
    found = _DATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (
        None if found[name] is None else int(found[name])
        for name in ("year", "month", "day", "hour", "minute", "second")
    )
    micro = int((found["fraction"] or "0")[:6].ljust(6, "0"))
    try:
        zone = _zone(found["zone"])
        local = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, micro, tzinfo=zone)
        start = local.astimezone(UTC)
    except (ValueError, OverflowError):  # the 30th of February, a year beyond those that there are
        return None
    try:
        if month is None:
            return Span(start, start.replace(year=start.year + 1))
        if day is None:
            return Span(start, start.replace(year=start.year + month // 12, month=month % 12 + 1))
        if hour is None:
            return Span(start, start + timedelta(days=1))
        if second is None:
            return Span(start, start + timedelta(minutes=1))
        return Span(start, start + (timedelta(microseconds=1) if found["fraction"] else timedelta(seconds=1)))
    except (ValueError, OverflowError):
        return Span(start, _LAST)


def read_moment(value: Any) -> datetime | None:
    """When something was, given as ISO 8601 (its beginning counts) or as seconds since 1970; None for no date."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    span = read_date(value)
    return None if span is None else span.start


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-offset if text[0] == "-" else offset)

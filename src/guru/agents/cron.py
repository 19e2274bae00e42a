"""Times that come again, as cron writes them: minute, hour, day of the month, month, day of the week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from guru.errors import InvalidParameter

FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WORDS: Final = {word: number for words, first in ((MONTHS, 1), (DAYS, 0)) for number, word in enumerate(words, first)}
SHORT: Final = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}  # fmt: skip
YEARS: Final = 8
"""Within which every date comes: 29 February, at most eight years apart."""


class Schedule:
    """An expression in a time zone."""

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        """Raises `InvalidParameter`."""
        parts = SHORT.get(expression.strip().lower(), expression).lower().split()
        if len(parts) != len(FIELDS):
            raise wrong(f"{expression!r} has {len(parts)} fields.")
        sets = [read(part, *field) for part, field in zip(parts, FIELDS, strict=True)]
        self.minutes, self.hours, self.days, self.months, weekdays = sets
        self.weekdays = {day % 7 for day in weekdays}
        # As in every cron: where both are restricted, either does.
        self._either = not parts[2].startswith("*") and not parts[4].startswith("*")
        try:
            self.zone = ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
            raise InvalidParameter(
                f"There is no time zone {timezone!r} here.", param="timezone",
                hint="Write one such as Europe/Berlin; where the system has none: pip install tzdata",
            ) from None  # fmt: skip
        if self.after(0.0) is None:
            raise wrong(f"{expression!r} never comes.")

    def after(self, moment: float) -> float | None:
        """The next time after `moment`, both in seconds since 1970; None when there is none.

        A time that a change of the clock leaves out comes an hour later; one that comes twice counts once.
        """
        local = datetime.fromtimestamp(moment, UTC).astimezone(self.zone).replace(second=0, microsecond=0, tzinfo=None)
        day, last = local.date(), local.date() + timedelta(days=366 * YEARS)
        while day <= last:
            if day.month in self.months and self._day(day.day, day.isoweekday() % 7):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        found = self._moment(datetime(day.year, day.month, day.day, hour, minute))  # noqa: DTZ001
                        if found > moment:
                            return found
            day += timedelta(days=1)
        return None

    def _day(self, day: int, weekday: int) -> bool:
        by_date, by_week = day in self.days, weekday in self.weekdays
        return by_date or by_week if self._either else by_date and by_week

    def _moment(self, local: datetime) -> float:
        """Of an hour that comes twice, the first."""
        return local.replace(tzinfo=self.zone, fold=0).timestamp()


def read(text: str, name: str, low: int, high: int) -> set[int]:
    """A field such as `*/15`, `1-5`, `mon,wed` or `7`."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if span == "*":
            first, last = low, high if name != "weekday" else 6
        else:
            begin, dash, end = span.partition("-")
            first = number(begin, name, low, high)
            last = number(end, name, low, high) if dash else high if slash else first
        every = number(step, name, 1, high) if slash else 1
        if first > last:
            raise wrong(f"{part!r} ends before it begins.")
        found.update(range(first, last + 1, every))
    return found


def number(text: str, name: str, low: int, high: int) -> int:
    value = WORDS.get(text, int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1)
    if not low <= value <= high:
        raise wrong(f"{text!r} is no {name} ({low} to {high}).")
    return value


def wrong(message: str) -> InvalidParameter:
    hint = "Write minute, hour, day, month, weekday, as `0 7 * * 1-5`; or @hourly, @daily, @weekly, @monthly, @yearly."
    return InvalidParameter(f"The schedule is not valid: {message}", param="schedule", hint=hint)

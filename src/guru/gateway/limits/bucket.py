"""A token bucket: so many a minute, as many at once as a minute brings.

Exact: everything is an integer. The level is counted in sixty-millionths, because then each microsecond adds exactly
`per_minute` of them. What is taken between two moments is never more than `per_minute` and what flowed in meanwhile.
"""

from __future__ import annotations

MINUTE = 60_000_000
"""Microseconds."""


class Bucket:
    """Times are microseconds of any clock that does not go back; amounts are whole requests or tokens."""

    __slots__ = ("full", "level", "per_minute", "updated")

    def __init__(self, per_minute: int, now: int) -> None:
        self.per_minute = per_minute
        self.full = per_minute * MINUTE
        self.level = self.full
        self.updated = now

    def wait(self, amount: int, now: int) -> int:
        """Microseconds until `amount` can be taken; 0 if it can now. Only for amounts that ever fit."""
        elapsed = now - self.updated
        if elapsed > 0:
            level = self.level + elapsed * self.per_minute
            self.level = min(level, self.full)
            self.updated = now
        lacking = amount * MINUTE - self.level
        return -(-lacking // self.per_minute) if lacking > 0 else 0

    def take(self, amount: int) -> None:
        """Take what `wait` has shown to be there, or more: a debt has to flow in again before anything is left."""
        self.level -= amount * MINUTE

    def give(self, amount: int) -> None:
        """Give back what was taken and not used; a negative amount takes."""
        self.level = min(self.level + amount * MINUTE, self.full)

    def resize(self, per_minute: int, now: int) -> None:
        """Change the limit; what was used stays used."""
        self.wait(0, now)
        used = self.full - self.level
        self.per_minute = per_minute
        self.full = per_minute * MINUTE
        self.level = self.full - used

    @property
    def remaining(self) -> int:
        return max(0, self.level // MINUTE)

    @property
    def until_full(self) -> int:
        """Microseconds."""
        return -((self.level - self.full) // self.per_minute)

    def measure(self) -> tuple[int, int, int]:
        """What remains, the limit, and microseconds until it is full again."""
        return self.remaining, self.per_minute, self.until_full

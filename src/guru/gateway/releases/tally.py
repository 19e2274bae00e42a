"""What this process has counted and not yet added to what all servers have counted."""

from __future__ import annotations

from guru.gateway.releases.counts import Arm, Counts
from guru.gateway.releases.release import Release

Place = tuple[str, int, Arm]
"""Release id, epoch, side: where counts belong, however the release has changed since."""


class Tally:
    """Belongs to one event loop. `take` before writing, then `written` or `put_back`."""

    def __init__(self) -> None:
        self._fresh: dict[Place, Counts] = {}
        self._taken: dict[Place, Counts] = {}

    def of(self, release: Release, arm: Arm) -> Counts:
        """To add to, now: after a change of the share these are others."""
        return self._fresh.setdefault((release.id, release.epoch, arm), Counts())

    def pending(self, release: Release, arm: Arm) -> Counts:
        place = (release.id, release.epoch, arm)
        return self._taken.get(place, Counts()).plus(self._fresh.get(place, Counts()))

    def take(self) -> dict[Place, Counts]:
        """Everything, to be written down."""
        self._taken, self._fresh = self._fresh, {}
        return self._taken

    def written(self) -> None:
        self._taken = {}

    def put_back(self) -> None:
        """It could not be written: it waits for the next time."""
        for place, counts in self._taken.items():
            self._fresh[place] = counts.plus(self._fresh.get(place, Counts()))
        self._taken = {}

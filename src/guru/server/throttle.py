"""How often somebody may try to log in with keys that are wrong.

Failures are counted for the address that sends them, and for the account that they aim at: the beginning of a key, as
lists show it. An address that fails too often waits. An account that is aimed at from many addresses lets those wait
that have failed before: whoever comes with the right key, and has not failed, is always let in.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

from guru.errors import RateLimited
from guru.gateway.limits.bucket import Bucket
from guru.gateway.limits.headers import duration

ADDRESS_FAILURES = 10
"""A minute, from one address."""
ACCOUNT_FAILURES = 60
"""A minute, from all addresses together, until those that have failed wait."""
MOST = 10_000
"""Buckets that are kept. Those of failures that are a minute old are full, and are forgotten first."""


class Throttle:
    """Of one process, in memory. `clock` gives microseconds that never go back."""

    def __init__(self, clock: Callable[[], int] = lambda: time.monotonic_ns() // 1000) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def check(self, address: str, account: str) -> None:
        """Raises `RateLimited` where a further try must wait. Whether the key is right is not looked at before."""
        now, network = self._clock(), network_of(address)
        wait = self._wait(f"from {network}", now)
        if f"from {network}" in self._buckets:
            wait = max(wait, self._wait(f"to {account}", now))
        if wait:
            raise RateLimited(
                "There were too many logins with wrong keys.", hint=f"Try again in {duration(wait)}.",
                retry_after=wait / 1e6,
            )  # fmt: skip

    def failed(self, address: str, account: str) -> None:
        """Count a wrong key."""
        now = self._clock()
        for name, per_minute in (
            (f"from {network_of(address)}", ADDRESS_FAILURES),
            (f"to {account}", ACCOUNT_FAILURES),
        ):
            bucket = self._buckets.pop(name, None) or Bucket(per_minute, now)
            bucket.wait(1, now)
            bucket.take(1)
            self._buckets[name] = bucket  # the latest is last
        if len(self._buckets) > MOST:
            self._forget(now)

    def _wait(self, name: str, now: int) -> int:
        """Microseconds."""
        bucket = self._buckets.get(name)
        if bucket is None:
            return 0
        wait = bucket.wait(1, now)
        if bucket.level == bucket.full:
            del self._buckets[name]
        return wait

    def _forget(self, now: int) -> None:
        for name in list(self._buckets):
            self._wait(name, now)
        for name in list(self._buckets)[: len(self._buckets) - MOST]:
            del self._buckets[name]


def network_of(address: str) -> str:
    """Whom an address belongs to: one with IPv6 has a whole network of them, 64 bits wide."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)

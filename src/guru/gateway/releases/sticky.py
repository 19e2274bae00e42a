"""Who gets the candidate: the same people every time, and nobody changes sides without need."""

from __future__ import annotations

import random
from hashlib import blake2b
from typing import Literal

from guru.gateway.identity import Caller

Sticky = Literal["user", "key", "conversation", "none"]


def unit(caller: Caller, sticky: Sticky) -> str | None:
    """Who or what always gets the same variant. The next smaller unit where a caller has none; None: each request."""
    if sticky == "none":
        return None
    if sticky == "conversation":
        found = caller.conversation and f"conversation:{caller.conversation}"
    elif sticky == "key":
        found = caller.key and f"key:{caller.key}"
    else:
        found = (caller.user and f"user:{caller.user}") or (caller.key and f"key:{caller.key}")
    return f"{caller.tenant}/{found}" if found else None


def place(release: str, who: str) -> float:
    """A number in [0, 1) that is `who`'s for the whole release: a growing share only adds people, never swaps them."""
    return int.from_bytes(blake2b(f"{release}/{who}".encode(), digest_size=8).digest()) / 2**64


def is_candidate(release: str, share: float, caller: Caller, sticky: Sticky) -> bool:
    """Whether this request belongs to the candidate's share."""
    if share <= 0 or share >= 1:
        return share >= 1
    who = unit(caller, sticky)
    return (place(release, who) if who is not None else random.random()) < share


def flagged(flags: list[str], caller: Caller) -> bool:
    """Whether a feature flag names the caller: `user:ann`, `key:…`, `team:web`, `tag:beta`."""
    if not flags:
        return False
    named = {"user": caller.user, "key": caller.key, "team": caller.team}
    names = {f"{kind}:{name}" for kind, name in named.items() if name} | {f"tag:{tag}" for tag in caller.tags}
    return not names.isdisjoint(flags)

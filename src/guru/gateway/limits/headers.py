"""`x-ratelimit-*` headers, as OpenAI writes them.

Source: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
"""

from __future__ import annotations

from collections.abc import Iterable

Measure = tuple[int, int, int]
"""Of one bucket: its limit, what remains, microseconds until it is full again."""


def rate_headers(requests: Iterable[Measure], tokens: Iterable[Measure]) -> list[tuple[bytes, bytes]]:
    """The headers of the bucket with the least left, for requests and for tokens."""
    headers: list[tuple[bytes, bytes]] = []
    for kind, measures in ((b"requests", requests), (b"tokens", tokens)):
        if (measure := min(measures, key=lambda measure: measure[1], default=None)) is None:
            continue
        limit, remaining, reset = measure
        headers += [
            (b"x-ratelimit-limit-" + kind, str(limit).encode()),
            (b"x-ratelimit-remaining-" + kind, str(remaining).encode()),
            (b"x-ratelimit-reset-" + kind, duration(reset).encode()),
        ]
    return headers


def duration(microseconds: int) -> str:
    """As Go writes durations: `17ms`, `1s`, `8.64s`, `6m0s`, `2h5m1.5s`. Rounded up: waiting so long is enough."""
    milliseconds = -(-microseconds // 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{milliseconds:03}".rstrip("0") if milliseconds else ""
    text = f"{seconds}{fraction}s"
    if minutes or hours:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text

"""`x-ratelimit-*` headers, as OpenAI writes them.

Source: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
"""

from __future__ import annotations

Measure = tuple[int, int, int]
"""Of one bucket: what remains, its limit, microseconds until it is full again."""


def rate_headers(requests: list[Measure], tokens: list[Measure]) -> dict[str, str]:
    """The headers of the bucket with the least left, for requests and for tokens."""
    headers: dict[str, str] = {}
    if requests:
        remaining, limit, reset = min(requests)
        headers["x-ratelimit-limit-requests"] = str(limit)
        headers["x-ratelimit-remaining-requests"] = str(remaining)
        headers["x-ratelimit-reset-requests"] = duration(reset)
    if tokens:
        remaining, limit, reset = min(tokens)
        headers["x-ratelimit-limit-tokens"] = str(limit)
        headers["x-ratelimit-remaining-tokens"] = str(remaining)
        headers["x-ratelimit-reset-tokens"] = duration(reset)
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

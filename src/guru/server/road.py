"""What every answer that took the road has in common, whichever door it leaves by."""

from __future__ import annotations


def road_headers(trace_id: str, model: str, cost: float = 0.0) -> dict[str, str]:
    """`x-guru-*`. A stream's headers leave before its cost is known: they say what it has cost so far."""
    return {
        "x-guru-trace-id": trace_id,
        "x-guru-model": model,
        "x-guru-cost": f"{cost:.8f}".rstrip("0").rstrip("."),
        "x-guru-cache": "miss",
    }

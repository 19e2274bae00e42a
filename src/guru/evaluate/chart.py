"""The report of a tuning as a page of its own: quality against latency as SVG, and a table of all settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from guru.types import JSON

WIDTH: Final = 760
HEIGHT: Final = 440
LEFT: Final = 70
RIGHT: Final = 24
TOP: Final = 36
BOTTOM: Final = 56
SHAPES: Final = {
    "hybrid": '<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="hybrid"/>',
    "dense": '<rect x="{left:.1f}" y="{top:.1f}" width="9" height="9" class="dense"/>',
    "sparse": '<path d="M{x:.1f} {top:.1f}l5.5 9.5h-11z" class="sparse"/>',
}
"""A mode is told by its shape, not by its colour alone."""
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #667; --paper: #fff; --line: #d5d8de; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --quiet: #9aa3b2; --paper: #14171c; --line: #363c47; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper); }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
text { fill: var(--ink); } .quiet { fill: var(--quiet); } .grid { stroke: var(--line); }
.hybrid { fill: #2563eb; } .dense { fill: #d97706; } .sparse { fill: #059669; }
.front { fill: none; stroke: var(--quiet); stroke-dasharray: 5 4; } .bar { stroke: var(--quiet); stroke-width: 1; }
.faint { opacity: .25; }
.ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .6rem; text-align: right; }
th { border-bottom: 1px solid var(--line); } td:first-child, th:first-child { text-align: left; }
tr.chosen td { font-weight: 600; }
"""
Scale = Callable[[float], float]


def page(report: JSON) -> str:
    """A whole HTML document that needs nothing else."""
    title = f"Settings of search for {report['collection']}"
    chosen = report["recommendation"]
    if chosen is None:
        told = "No question has an answer: there is nothing to compare."
    else:
        verb = "Use" if chosen["change"] else "Keep"
        told = f"{verb} {label(chosen['setting'])}. {chosen['reason']}"
    metric = report["options"]["metric"].replace("_", " ")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1><p>{escape(told)}</p>"
        f"{svg(report)}{table(report)}"
        f"<p>{report['questions']} questions. A bar is where the mean lies for other questions of this kind, in 95 of "
        f"100 cases. A gain is of {escape(metric)} over the current setting, question by question, in an interval that "
        "holds for all settings at once. The dashed line joins the settings that no other one beats in both.</p></html>"
    )


def label(setting: JSON) -> str:
    """`hybrid, 6 passages of 200 tokens`."""
    noun = "passage" if setting["k"] == 1 else "passages"
    return f"{setting['mode']}, {setting['k']} {noun} of {setting['chunk_tokens']} tokens"


def svg(report: JSON) -> str:
    """Quality against latency: a point for each setting, with its interval, and the front."""
    settings: Sequence[JSON] = report["settings"]
    if not settings:
        return ""
    metric = report["options"]["metric"]
    times: list[float] = [setting["latency"]["p50"] for setting in settings]
    first, last = 0.9 * min(times), 1.1 * max(times)
    lowest: float = min(setting["metrics"][metric]["low"] for setting in settings)
    floor = min(0.9, int(lowest * 10) / 10)

    def x(seconds: float) -> float:
        return LEFT + (seconds - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (1 - value) / (1 - floor) * (HEIGHT - TOP - BOTTOM)

    name = metric.replace("_", " ")
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(name)} against the median time of a search</title>',
        *grid(x, y, floor, (first, last)),
        front_line(settings, metric, x, y),
        *(point(setting, report, x, y) for setting in settings),
        *legend(settings),
        f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">median time of a search, ms</text>',
        f'<text transform="translate(18 {HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(name)}</text>',
        "</svg>",
    ]
    return "".join(parts)


def grid(x: Scale, y: Scale, floor: float, times: tuple[float, float]) -> list[str]:
    parts = []
    for step in range(6):
        value = floor + (1 - floor) * step / 5
        height = y(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{height + 4:.1f}" text-anchor="end" class="quiet">{value:.2f}</text>')
        seconds = times[0] + (times[1] - times[0]) * step / 5
        parts.append(
            f'<text x="{x(seconds):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" class="quiet">'
            f"{seconds * 1000:.1f}</text>"
        )
    return parts


def front_line(settings: Sequence[JSON], metric: str, x: Scale, y: Scale) -> str:
    on_front = sorted((s["latency"]["p50"], s["metrics"][metric]["mean"]) for s in settings if s["on_front"])
    path = " ".join(f"{x(seconds):.1f},{y(value):.1f}" for seconds, value in on_front)
    return f'<polyline points="{path}" class="front"/>'


def point(setting: JSON, report: JSON, x: Scale, y: Scale) -> str:
    """A setting: its mark and its interval; a ring where it is the current or the recommended one.

    Those and the ones on the front have their numbers beside them; the others tell theirs to the pointer.
    """
    value = setting["metrics"][report["options"]["metric"]]
    left, top = x(setting["latency"]["p50"]), y(value["mean"])
    mark = SHAPES[setting["mode"]].format(x=left, y=top, left=left - 4.5, top=top - 4.5)
    notes = []
    if setting["on_front"] or setting["current"] or is_chosen(setting, report):
        notes = [str(setting["k"]) + (f"×{setting['chunk_tokens']}" if has_sizes(report) else "")]
    if setting["current"]:
        notes.append("current")
    if is_chosen(setting, report):
        notes.append("recommended")
    ring = f'<circle cx="{left:.1f}" cy="{top:.1f}" r="10" class="ring"/>' if len(notes) > 1 else ""
    low, high = y(value["low"]), y(value["high"])
    kind = "bar" if notes else "bar faint"
    drop = -12 if is_chosen(setting, report) else 22 if setting["current"] else 4  # two that are near stay readable
    text = escape(", ".join(notes))
    about = f"{label(setting)}: {value['mean']:.3f}, {setting['latency']['p50'] * 1000:.1f} ms"
    return (
        f'<g><title>{escape(about)}</title><line x1="{left:.1f}" x2="{left:.1f}" y1="{low:.1f}" y2="{high:.1f}" '
        f'class="{kind}"/>{mark}{ring}<text x="{left + 9:.1f}" y="{top + drop:.1f}">{text}</text></g>'
    )


def legend(settings: Sequence[JSON]) -> list[str]:
    parts = []
    for row, mode in enumerate(dict.fromkeys(setting["mode"] for setting in settings)):
        height = HEIGHT - BOTTOM - 12 - 18 * row
        left = WIDTH - RIGHT - 70
        parts.append(SHAPES[mode].format(x=left, y=height, left=left - 4.5, top=height - 4.5))
        parts.append(f'<text x="{left + 12}" y="{height + 4}">{mode}</text>')
    return parts


def table(report: JSON) -> str:
    """Every setting, the best first."""
    metric = report["options"]["metric"]
    rows = []
    for setting in sorted(report["settings"], key=lambda item: -item["metrics"][metric]["mean"]):
        measures = setting["metrics"]
        cells = [
            label(setting) + (" (current)" if setting["current"] else ""),
            *(f"{measures[name]['mean']:.3f}" for name in ("recall", "ndcg", "mrr", "precision")),
            f"{setting['gain']['mean']:+.3f} ({setting['gain']['low']:+.3f} to {setting['gain']['high']:+.3f})",
            f"{setting['latency']['p50'] * 1000:.1f}",
            f"{setting['latency']['p99'] * 1000:.1f}",
            f"{setting['characters']:,.0f}",
        ]
        kind = ' class="chosen"' if is_chosen(setting, report) else ""
        rows.append(f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = ("setting", "recall", "nDCG", "MRR", "precision", "gain", "p50 ms", "p99 ms", "characters")
    return "<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>" + "".join(rows) + "</table>"


def is_chosen(setting: JSON, report: JSON) -> bool:
    chosen = (report["recommendation"] or {}).get("setting", {})
    return all(setting[name] == chosen.get(name) for name in ("mode", "k", "chunk_tokens"))


def has_sizes(report: JSON) -> bool:
    return len({setting["chunk_tokens"] for setting in report["settings"]}) > 1

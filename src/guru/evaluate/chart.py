"""Quality against latency as SVG: a mark for every setting of a tuning, and the front."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Final

from msgspec import Struct

from guru.evaluate.describe import current_of, is_chosen, label, reranker, short
from guru.types import JSON, RERANK_OFF

WIDTH: Final = 760
HEIGHT: Final = 460
LEFT: Final = 70
RIGHT: Final = 24
TOP: Final = 44
BOTTOM: Final = 56
LETTER: Final = 6.4
"""Width of a letter, and more than that of most."""
LINE: Final = 14.0
MOST: Final = 2 * HEIGHT // 14
"""Lines that are tried for a name, from that of its mark on, in turn above and below."""
NEAR: Final = 9
"""Those of them that are near."""
SHAPES: Final = {
    "hybrid": '<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="{kind}"/>',
    "dense": '<rect x="{left:.1f}" y="{top:.1f}" width="9" height="9" class="{kind}"/>',
    "sparse": '<path d="M{x:.1f} {top:.1f}l5.5 9.5h-11z" class="{kind}"/>',
}
"""A mode is told by its shape, not by its colour alone."""
Scale = Callable[[float], float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
UNPLACED: Final[tuple[Box, str]] = ((LEFT, HEIGHT - LINE, LEFT, HEIGHT), "start")
"""Where a name stands for which there is no room at all."""


class Axes(Struct, frozen=True):
    """Where numbers stand in the picture. Latency is logarithmic: a reranker takes many times what a search takes."""

    times: tuple[float, float]
    """Seconds at both ends."""
    floor: float
    """The lowest quality."""

    def x(self, seconds: float) -> float:
        first, last = self.times
        return LEFT + math.log(seconds / first) / math.log(last / first) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (1 - value) / (1 - self.floor) * (HEIGHT - TOP - BOTTOM)


def svg(report: JSON) -> str:
    """The chart of a report. What failed for some question has no place in it."""
    settings: Sequence[JSON] = [setting for setting in report["settings"] if not setting.get("failed")]
    if not settings:
        return ""
    metric = report["options"]["metric"]
    times: list[float] = [setting["latency"]["p50"] for setting in settings]
    lowest: float = min(setting["metrics"][metric]["low"] for setting in settings)
    axes = Axes((0.9 * min(times), 1.1 * max(times)), min(0.9, int(lowest * 10) / 10))
    named = [setting for setting in settings if notes_of(setting, report)]
    plain = [setting for setting in settings if not notes_of(setting, report)]
    name = metric.replace("_", " ")
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(name)} against the median time of a search</title>',
        *grid(axes),
        *(mark(setting, report, axes) for setting in plain),
        front_line(settings, metric, axes),
        *(mark(setting, report, axes) for setting in named),
        *notes(named, plain, report, axes),
        *legend(settings),
        f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">median time of a search, ms</text>',
        f'<text transform="translate(18 {HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(name)}</text>',
        "</svg>",
    ]
    return "".join(parts)


def grid(axes: Axes) -> Iterator[str]:
    first, last = axes.times
    for step in range(6):
        value = axes.floor + (1 - axes.floor) * step / 5
        height = axes.y(value)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}" class="grid"/>'
        yield f'<text x="{LEFT - 8}" y="{height + 4:.1f}" text-anchor="end" class="quiet">{value:.2f}</text>'
        seconds = first * (last / first) ** (step / 5)
        shown = f"{seconds * 1000:.1f}" if seconds < 0.01 else f"{seconds * 1000:.0f}"
        place = f'x="{axes.x(seconds):.1f}" y="{HEIGHT - BOTTOM + 18}"'
        yield f'<text {place} text-anchor="middle" class="quiet">{shown}</text>'


def front_line(settings: Sequence[JSON], metric: str, axes: Axes) -> str:
    on_front = sorted((s["latency"]["p50"], s["metrics"][metric]["mean"]) for s in settings if s["on_front"])
    path = " ".join(f"{axes.x(seconds):.1f},{axes.y(value):.1f}" for seconds, value in on_front)
    return f'<polyline points="{path}" class="front"/>'


def mark(setting: JSON, report: JSON, axes: Axes) -> str:
    """A setting as a shape. One with a name beside it also has its interval, and a ring where it is more than one of
    the front; the others are faint, and tell theirs to the pointer."""
    value, (x, y) = setting["metrics"][report["options"]["metric"]], place(setting, report, axes)
    about = (
        f"{label(setting)}: {value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f}), "
        f"{setting['latency']['p50'] * 1000:.1f} ms"
    )
    shape = shape_of(setting["mode"], x, y, reranked=reranker(setting) != RERANK_OFF)
    named = notes_of(setting, report)
    if not named:
        return f'<g class="faint"><title>{escape(about)}</title>{shape}</g>'
    low, high = axes.y(value["low"]), axes.y(value["high"])
    bar = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" class="bar"/>'
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="10" class="ring"/>' if len(named) > 1 else ""
    return f"<g><title>{escape(about)}</title>{bar}{shape}{ring}</g>"


def shape_of(mode: str, x: float, y: float, *, reranked: bool) -> str:
    kind = f"{mode} reranked" if reranked else mode
    return SHAPES[mode].format(x=x, y=y, left=x - 4.5, top=y - 4.5, kind=kind)


def place(setting: JSON, report: JSON, axes: Axes) -> tuple[float, float]:
    value = setting["metrics"][report["options"]["metric"]]["mean"]
    return axes.x(setting["latency"]["p50"]), axes.y(value)


def notes_of(setting: JSON, report: JSON) -> list[str]:
    """What stands beside the mark of a setting: how it differs from the current one, and what is said of it."""
    said = ["current"] if setting["current"] else []
    if is_chosen(setting, report):
        said.append("recommended" if report["recommendation"]["change"] else "to keep")
    return [short(setting, current_of(report)), *said] if said or setting["on_front"] else []


def notes(settings: Sequence[JSON], others: Sequence[JSON], report: JSON, axes: Axes) -> Iterator[str]:
    """The names of settings beside their marks, where they hide neither each other nor a mark: one of the `others` only
    where no other place is near."""
    places = [place(setting, report, axes) for setting in settings]
    taken: list[Box] = [around(*one) for one in places]
    faint = [around(*place(setting, report, axes)) for setting in others]
    # First those of which most is said, so that they stand nearest to their marks.
    for number in sorted(range(len(settings)), key=lambda number: -len(notes_of(settings[number], report))):
        x, y = places[number]
        text = ", ".join(notes_of(settings[number], report))
        width = LETTER * len(text)
        box, anchor = free_place(x, y, width, [*taken, *faint], NEAR) or free_place(x, y, width, taken) or UNPLACED
        taken.append(box)
        end, middle = box[0] if anchor == "start" else box[2], (box[1] + box[3]) / 2
        if abs(middle - y) > LINE:  # far enough for a doubt whose it is
            yield f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{middle:.1f}" class="bar"/>'
        where = f'x="{end:.1f}" y="{middle + 4:.1f}" text-anchor="{anchor}"'
        yield f'<text {where} class="note">{escape(text)}</text>'


def around(x: float, y: float) -> Box:
    return x - 6, y - 6, x + 6, y + 6


def free_place(x: float, y: float, width: float, taken: Sequence[Box], steps: int = MOST) -> tuple[Box, str] | None:
    """A box within the picture for a text near a mark, and the end of the text that is at the mark: beside it, else
    above or below, ever further."""
    for step in range(steps):
        away = LINE * ((step + 1) // 2) * (-1 if step % 2 else 1)
        top = y + away - LINE / 2
        for anchor, left in (("start", x + 14), ("end", x - 14 - width)):
            box = (left, top, left + width, top + LINE)
            inside = left >= LEFT - 8 and left + width <= WIDTH and top >= TOP - LINE and box[3] <= HEIGHT - BOTTOM
            if inside and not any(overlaps(box, other) for other in taken):
                return box, anchor
    return None


def overlaps(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def legend(settings: Sequence[JSON]) -> Iterator[str]:
    """The shapes above the picture, in a row."""
    x = float(LEFT)
    shown = [(mode, shape_of(mode, 0, 0, reranked=False)) for mode in dict.fromkeys(s["mode"] for s in settings)]
    if any(reranker(setting) != RERANK_OFF for setting in settings):
        shown.append(("outlined: reranked", shape_of("hybrid", 0, 0, reranked=True)))
    for text, shape in shown:
        yield f'<g transform="translate({x + 5:.0f} 14)">{shape}<text x="11" y="4">{text}</text></g>'
        x += 34 + LETTER * len(text)

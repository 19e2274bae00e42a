"""Steps as a drawing: boxes in layers from top to bottom, with lines that cross as little as a few sweeps manage.

Circles are broken, layers are longest paths, long lines pass through points of their own in every layer, the order in
a layer is the mean place of neighbours (Sugiyama, Tagawa and Toda, 1981), and the places are a least-squares fit that
keeps that order (pool adjacent violators). Units are pixels.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

SWEEPS: Final = 8
GAP: Final = 28.0
"""Between boxes of a layer."""
LAYER_GAP: Final = 46.0
STRAIGHT: Final = (4.0, 1.0, 8.0)
"""How much two neighbours pull at each other: boxes, a box and a point of a long line, two points."""
MAX_POINTS: Final = 5000
"""Of long lines; where there are more, they go straight, over what is between."""
POINT: Final = 12.0
"""The width that a line takes in a layer that it passes."""


class Box(Struct, kw_only=True):
    """What is placed; `x` and `y` are of its upper left corner."""

    id: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


class Line(Struct, kw_only=True):
    """A way from a box to another; `points` from the one to the other."""

    source: str
    target: str
    points: list[tuple[float, float]] = []


def arrange(boxes: Sequence[Box], lines: Sequence[Line], first: str) -> tuple[float, float]:
    """Place boxes and lines; returns the width and the height of it all."""
    by_id = {box.id: box for box in boxes}
    back = back_lines(boxes, lines, first)
    down = [(line.target, line.source) if n in back else (line.source, line.target) for n, line in enumerate(lines)]
    layer = layers_of([box.id for box in boxes], [pair for pair in down if pair[0] != pair[1]])
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for box in boxes:
        rows[layer[box.id]].append(box.id)
    points = sum(max(0, layer[lower] - layer[upper] - 1) for upper, lower in down)
    chains = [
        chain_of(number, pair, layer, rows, by_id) if points <= MAX_POINTS else list(pair)
        for number, pair in enumerate(down)
    ]
    above, below = neighbours(by_id, chains, layer)
    order_rows(rows, above, below)
    place_rows(rows, by_id, above, below)
    top = 0.0
    for row in rows:
        height = max((by_id[name].height for name in row), default=0.0)
        for name in row:
            by_id[name].y = top + (height - by_id[name].height) / 2
        top += height + LAYER_GAP
    left = min((box.x for box in by_id.values()), default=0.0)
    for box in by_id.values():
        box.x -= left
    for number, (line, chain) in enumerate(zip(lines, chains, strict=True)):
        line.points = points_of(chain, by_id)
        if number in back:
            line.points.reverse()
    width = max((point for line in lines for point, _ in line.points), default=0.0)
    return max(width, max((box.x + box.width for box in by_id.values()), default=0.0)), max(0.0, top - LAYER_GAP)


def back_lines(boxes: Sequence[Box], lines: Sequence[Line], first: str) -> set[int]:
    """The numbers of lines that close a circle, seen from the first box."""
    out: dict[str, list[tuple[int, str]]] = {box.id: [] for box in boxes}
    for number, line in enumerate(lines):
        out[line.source].append((number, line.target))
    back: set[int] = set()
    state: dict[str, int] = {}  # 1: on the way, 2: done
    for root in [first, *(box.id for box in boxes)]:
        if root in state or root not in out:
            continue
        state[root] = 1
        pending = [(root, iter(out[root]))]
        while pending:
            name, ways = pending[-1]
            for number, target in ways:
                if state.get(target) == 1:
                    back.add(number)
                elif target not in state:
                    state[target] = 1
                    pending.append((target, iter(out[target])))
                    break
            else:
                state[name] = 2
                pending.pop()
    return back


def layers_of(names: Sequence[str], down: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The length of the longest way that leads to each."""
    into = dict.fromkeys(names, 0)
    out: dict[str, list[str]] = {name: [] for name in names}
    for source, target in down:
        into[target] += 1
        out[source].append(target)
    layer = dict.fromkeys(names, 0)
    ready = [name for name in names if not into[name]]
    while ready:
        name = ready.pop(0)
        for target in out[name]:
            layer[target] = max(layer[target], layer[name] + 1)
            into[target] -= 1
            if not into[target]:
                ready.append(target)
    return layer


def chain_of(
    number: int, pair: tuple[str, str], layer: dict[str, int], rows: list[list[str]], by_id: dict[str, Box]
) -> list[str]:
    """The boxes that a line goes through: a narrow one of its own in every layer between."""
    source, target = pair
    chain = [source]
    for between in range(layer[source] + 1, layer[target]):
        name = f"\0{number}.{between}"
        by_id[name] = Box(id=name, width=POINT, height=0.0)
        rows[between].append(name)
        chain.append(name)
    return [*chain, target]


def neighbours(
    by_id: dict[str, Box], chains: list[list[str]], layer: dict[str, int]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What is connected with each in the layer above and the one below."""
    above: dict[str, list[str]] = {name: [] for name in by_id}
    below: dict[str, list[str]] = {name: [] for name in by_id}
    for chain in chains:
        if len(chain) == 2 and layer[chain[1]] != layer[chain[0]] + 1:
            continue  # to itself, or a long line without points of its own
        for upper, lower in pairwise(chain):
            above[lower].append(upper)
            below[upper].append(lower)
    return above, below


def order_rows(rows: list[list[str]], above: dict[str, list[str]], below: dict[str, list[str]]) -> None:
    """Sort each layer by the mean place of its neighbours, down and up in turn; the best of it is kept."""
    best, fewest = [list(row) for row in rows], crossings(rows, below)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for number in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            row, fixed = rows[number], rows[number - 1 if down else number + 1]
            place = {name: at for at, name in enumerate(fixed)}
            own = {name: at for at, name in enumerate(row)}
            means = {name: mean([place[other] for other in near[name]], own[name]) for name in row}
            row.sort(key=means.__getitem__)
        if (count := crossings(rows, below)) < fewest:
            best, fewest = [list(row) for row in rows], count
    rows[:] = best


def mean(values: list[int], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def crossings(rows: list[list[str]], below: dict[str, list[str]]) -> int:
    """Pairs of lines that cross: those whose lower ends are in another order than their upper ones."""
    count = 0
    for upper, lower in pairwise(rows):
        place = {name: number for number, name in enumerate(lower)}
        before: list[int] = []
        for name in upper:
            ends = sorted(place[target] for target in below[name])
            count += sum(len(before) - bisect_right(before, end) for end in ends)
            for end in ends:
                insort(before, end)
    return count


def place_rows(
    rows: list[list[str]], by_id: dict[str, Box], above: dict[str, list[str]], below: dict[str, list[str]]
) -> None:
    """Near to their neighbours, in their order, with room between."""
    for row in rows:
        fit(row, [0.0] * len(row), by_id)
    for sweep in range(SWEEPS):
        near = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [pulled(name, near[name], by_id) for name in row]
            fit(row, wanted, by_id)


def pulled(name: str, near: list[str], by_id: dict[str, Box]) -> float:
    """Where a box would like its middle: long lines are kept straight first, then boxes under each other."""
    if not near:
        return by_id[name].middle
    weights = [STRAIGHT[is_point(name) + is_point(other)] for other in near]
    total = sum(weight * by_id[other].middle for weight, other in zip(weights, near, strict=True))
    return total / sum(weights)


def is_point(name: str) -> bool:
    return name.startswith("\0")


def fit(row: list[str], wanted: list[float], by_id: dict[str, Box]) -> None:
    """The places nearest to the wanted middles that keep order and room: pool adjacent violators."""
    offsets, at = [], 0.0
    for number, name in enumerate(row):
        if number:
            at += (by_id[row[number - 1]].width + by_id[name].width) / 2 + GAP
        offsets.append(at)
    pools: list[list[float]] = []  # sum and count
    for middle, offset in zip(wanted, offsets, strict=True):
        pools.append([middle - offset, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += count
    bases = [total / count for total, count in pools for _ in range(int(count))]
    for name, base, offset in zip(row, bases, offsets, strict=True):
        by_id[name].x = base + offset - by_id[name].width / 2


def points_of(chain: list[str], by_id: dict[str, Box]) -> list[tuple[float, float]]:
    """From the lower edge of the first to the upper edge of the last; a line to itself goes round on the right."""
    first, last = by_id[chain[0]], by_id[chain[-1]]
    if first is last:
        right, middle = first.x + first.width, first.y + first.height / 2
        return [(right, middle + 8), (right + 18, middle + 8), (right + 18, middle - 8), (right, middle - 8)]
    between = [(by_id[name].middle, by_id[name].y) for name in chain[1:-1]]
    return [(first.middle, first.y + first.height), *between, (last.middle, last.y)]

"""Reading order: parts a page into regions of one column each."""

from __future__ import annotations

from statistics import median

from guru.knowledge.parse.pdf.runs import Run

_MIN_LINES = 4
_MIN_CHARACTERS = 20
_TOLERANCE = 3.0
_MAX_DEPTH = 3


def reading_order(runs: list[Run], depth: int = 0) -> list[list[Run]]:
    """Regions in the order in which they are read. Runs that stand side by side in a table stay in one region.

    A gutter is a place where many lines of prose begin and where lines of prose stand on both sides; what crosses it,
    such as a title over two columns, parts the page into bands that are read one after the other.
    """
    if depth >= _MAX_DEPTH or len(runs) < 2 * _MIN_LINES:
        return [runs] if runs else []
    best: tuple[int, list[tuple[list[Run], list[Run], list[Run]]]] = (0, [])
    for gutter in _gutters(runs):
        bands = _bands(runs, gutter)
        score = sum(_characters(left) + _characters(right) for _, left, right in bands if _is_prose(left, right))
        if score > best[0]:
            best = (score, bands)
    if not best[0]:
        return [runs]
    regions: list[list[Run]] = []
    single: list[Run] = []
    for crossing, left, right in best[1]:
        single.extend(crossing)
        if not _is_prose(left, right):
            single.extend([*left, *right])
            continue
        regions.extend(reading_order(single, depth + 1))
        regions.extend(reading_order(left, depth + 1))
        regions.extend(reading_order(right, depth + 1))
        single = []
    return [*regions, *reading_order(single, depth + 1)]


def _gutters(runs: list[Run]) -> list[float]:
    """The left edges that several lines of prose share, but for the leftmost."""
    edges = sorted(run.x0 for run in runs if len(run.text) >= _MIN_CHARACTERS)
    clusters: list[list[float]] = []
    for edge in edges:
        if clusters and edge - clusters[-1][-1] <= _TOLERANCE:
            clusters[-1].append(edge)
        else:
            clusters.append([edge])
    return [cluster[0] for cluster in clusters[1:] if len(cluster) >= _MIN_LINES]


def _bands(runs: list[Run], gutter: float) -> list[tuple[list[Run], list[Run], list[Run]]]:
    """From top to bottom: what crosses the gutter, then what follows on its left and on its right."""
    bands: list[tuple[list[Run], list[Run], list[Run]]] = [([], [], [])]
    for run in sorted(runs, key=lambda run: (run.y0 + run.y1, run.x0)):
        crossing, left, right = bands[-1]
        if run.x1 <= gutter + _TOLERANCE:
            left.append(run)
        elif run.x0 >= gutter - _TOLERANCE:
            right.append(run)
        elif left or right:
            bands.append(([run], [], []))
        else:
            crossing.append(run)
    return bands


def _is_prose(left: list[Run], right: list[Run]) -> bool:
    return all(
        len(side) >= _MIN_LINES
        and median(len(run.text) for run in side) >= _MIN_CHARACTERS
        and sum(map(_is_figure, side)) < 0.2 * len(side)
        for side in (left, right)
    )


def _is_figure(run: Run) -> bool:
    digits = sum(letter.isdigit() for letter in run.text)
    return digits * 2 > sum(letter.isalnum() for letter in run.text)


def _characters(runs: list[Run]) -> int:
    return sum(len(run.text) for run in runs)

"""A map of clustered points: where each stands on a plane. The same points always stand at the same places.

Topics are discs, as large as they have points, and stand to each other as their middles do (principal components).
Within a disc a point is the nearer to the middle the more typical it is, and lies in the direction in which it
differs from the others. Distances between dots of different topics mean nothing more than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP: Final = 1.15
"""Discs are kept as far apart as if they were so much larger."""
ROUNDS: Final = 300
DOT_ROUNDS: Final = 25
CROWD: Final = 700
"""Dots of one topic above which they are not pushed apart: they overlap whatever is done."""


def lay_out(vectors: NDArray[Any], labels: NDArray[Any], centres: NDArray[Any]) -> NDArray[Any]:
    """Places, float64, shape (n, 2), each within -1 to 1, with the aspect of the map kept."""
    import numpy as np

    sizes = np.bincount(labels, minlength=len(centres))
    radius = np.sqrt(np.maximum(sizes, 1.0))
    middle = place_discs(centres, radius)
    places = np.zeros((len(vectors), 2))
    for number in range(len(centres)):
        mine = np.flatnonzero(labels == number)
        if not len(mine):
            continue  # of a sample, perhaps
        places[mine] = middle[number] + radius[number] * fill_disc(vectors[mine], centres[number])
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray((places - (low + high) / 2) / max((high - low).max() / 2, 1e-9))


def principal(vectors: NDArray[Any]) -> NDArray[Any]:
    """The first two principal components of some vectors, shape (n, 2), with a sign that does not depend on luck."""
    import numpy as np

    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    if len(vectors) < 3:
        line = np.zeros((len(vectors), 2))
        line[:, 0] = np.arange(len(vectors)) - (len(vectors) - 1) / 2
        return line
    _, axes = np.linalg.eigh(centred.T @ centred if len(vectors) > centred.shape[1] else centred @ centred.T)
    found = centred @ axes[:, [-1, -2]] if len(vectors) > centred.shape[1] else axes[:, [-1, -2]]
    strongest = np.abs(found).argmax(axis=0)
    signs = np.sign(found[strongest, [0, 1]])
    return np.asarray(found * np.where(signs == 0, 1, signs))


def place_discs(centres: NDArray[Any], radius: NDArray[Any]) -> NDArray[Any]:
    """The middles of discs that do not overlap, near to where the principal components of the centres put them."""
    import numpy as np

    if len(centres) == 1:
        return np.zeros((1, 2))
    middle = principal(centres)
    middle = middle / max(float(np.abs(middle).max()), 1e-9) * np.sqrt((radius**2).sum()) * np.array([1.5, 1.0])
    apart = GAP * (radius[:, None] + radius[None, :]) + 0.6
    np.fill_diagonal(apart, 0)
    mass = radius**2
    for _ in range(ROUNDS):
        middle = middle * 0.985  # drawn together, and then pushed apart where they overlap
        for _ in range(6):
            gap = middle[:, None] - middle[None, :]
            distance = np.sqrt((gap**2).sum(axis=2)) + 1e-9
            overlap = np.maximum(apart - distance, 0)
            if overlap.max() < 1e-3:
                break
            share = mass[None, :] / (mass[:, None] + mass[None, :])  # the smaller one gives way
            middle = middle + (gap / distance[..., None] * (overlap * share)[..., None]).sum(axis=1) * 0.5
    return np.asarray(middle)


def fill_disc(vectors: NDArray[Any], centre: NDArray[Any]) -> NDArray[Any]:
    """Places within the unit disc for the points of one topic."""
    import numpy as np

    if len(vectors) == 1:
        return np.zeros((1, 2))
    direction = principal(vectors)
    angle = np.arctan2(direction[:, 1], direction[:, 0])
    # By rank, so that the disc is filled evenly and all dots can be told apart.
    rank = np.empty(len(vectors))
    rank[np.argsort(-(vectors @ centre), kind="stable")] = np.arange(len(vectors))
    turn = np.empty(len(vectors))
    turn[np.argsort(angle, kind="stable")] = np.arange(len(vectors))
    angle = 0.5 * angle + 0.5 * (2 * np.pi * turn / len(vectors) - np.pi)
    reach = np.sqrt((rank + 0.5) / len(vectors)) * 0.95
    places = np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
    return push_apart(places, 1.5 / np.sqrt(len(vectors))) if len(vectors) <= CROWD else places


def push_apart(places: NDArray[Any], least: float) -> NDArray[Any]:
    """Move dots that are nearer to each other than `least`, within the unit disc."""
    import numpy as np

    for _ in range(DOT_ROUNDS):
        gap = places[:, None] - places[None, :]
        distance = np.sqrt((gap**2).sum(axis=2))
        np.fill_diagonal(distance, np.inf)
        overlap = np.maximum(least - distance, 0)
        if overlap.max() < 1e-3:
            break
        places = places + (gap / np.maximum(distance, 1e-6)[..., None] * overlap[..., None]).sum(axis=1) * 0.25
        length = np.linalg.norm(places, axis=1, keepdims=True)
        places = places / np.maximum(length, 1.0)
    return np.asarray(places)

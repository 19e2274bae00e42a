"""How the deployments of an alias are put in order: a strategy takes those that can answer now, and the request."""

from __future__ import annotations

from collections.abc import Callable

from guru.config import AliasSettings
from guru.gateway.routing.plan import Asked, Strategy, Target

Cost = Callable[[str, int, int], float | None]
"""US dollars of a model, prompt tokens and answer tokens; None: unknown."""

UNPRICED = float("inf")


def make_strategy(settings: AliasSettings, cost: Cost | None) -> Strategy:
    """The function of the name in the settings."""
    if settings.strategy == "cost":
        return by_cost(cost)
    if settings.strategy == "difficulty":
        return by_difficulty(settings.difficulty_threshold)
    return NAMED[settings.strategy]


def weighted(targets: list[Target], asked: Asked) -> list[Target]:
    """Smooth weighted round robin, as nginx does it: exact shares, never in bursts. The rest by weight."""
    total = 0.0
    best = targets[0]
    for target in targets:
        weight = target.weight or 1.0
        total += weight
        target.credit += weight
        if target.credit > best.credit:
            best = target
    best.credit -= total
    if len(targets) == 2:
        return [best, targets[1] if best is targets[0] else targets[0]]
    return [best, *sorted((target for target in targets if target is not best), key=by_credit)]


def by_credit(target: Target) -> float:
    return -target.credit


def least_busy(targets: list[Target], asked: Asked) -> list[Target]:
    """The fewest requests in flight for its weight; the round robin decides between equals."""
    return sorted(weighted(targets, asked), key=lambda target: target.health.in_flight / (target.weight or 1.0))


def latency(targets: list[Target], asked: Asked) -> list[Target]:
    """The shortest expected wait for a first token. What is not measured for a while looks faster again."""
    return sorted(weighted(targets, asked), key=lambda target: target.health.expected_latency())


def by_cost(cost: Cost | None) -> Strategy:
    """The cheapest for the size of the prompt and of the answer that may come; unknown prices last."""

    def order(targets: list[Target], asked: Asked) -> list[Target]:
        def price(target: Target) -> float:
            found = cost(target.model, asked.tokens, asked.answer_tokens) if cost is not None else None
            return UNPRICED if found is None else found

        return sorted(weighted(targets, asked), key=price)

    return order


def by_difficulty(threshold: float) -> Strategy:
    """Deployments for what the prompt is (`simple` or `hard`), then those for any, then the others."""

    def order(targets: list[Target], asked: Asked) -> list[Target]:
        wanted = "hard" if asked.difficulty >= threshold else "simple"
        return preferring(
            targets,
            asked,
            lambda target: rank(target.deployment.difficulty == wanted, not target.deployment.difficulty),
        )

    return order


def by_language(targets: list[Target], asked: Asked) -> list[Target]:
    """Deployments for the prompt's language, then those for any, then the others."""
    return preferring(
        targets,
        asked,
        lambda target: rank(asked.language in target.deployment.languages, not target.deployment.languages),
    )


def by_context(targets: list[Target], asked: Asked) -> list[Target]:
    """The smallest context that holds prompt and answer; then the larger ones; then those that are too small."""
    need = asked.tokens + asked.answer_tokens

    def place(target: Target) -> tuple[bool, int]:
        length = target.context
        return (0 < length < need, length if length >= need else -length)

    return sorted(weighted(targets, asked), key=place)


def preferring(targets: list[Target], asked: Asked, place: Callable[[Target], int]) -> list[Target]:
    """In groups by `place`, weighted inside each."""
    groups: dict[int, list[Target]] = {}
    for target in targets:
        groups.setdefault(place(target), []).append(target)
    return [target for _, group in sorted(groups.items()) for target in weighted(group, asked)]


def rank(wanted: bool, any_will_do: bool) -> int:
    return 0 if wanted else 1 if any_will_do else 2


NAMED: dict[str, Strategy] = {
    "weighted": weighted,
    "least-busy": least_busy,
    "latency": latency,
    "language": by_language,
    "context": by_context,
}

"""How much harm the local moderation model finds, and how often it cries wolf.

    python benchmarks/moderation.py [--fit]

The examples are in `moderation_examples.toml`; `--fit` fits the weights on the model's own sentences, each left out in
turn from what it is compared with, so that the examples stay unseen.
"""

from __future__ import annotations

import argparse
import asyncio
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from rerank import fit

from guru.models.local.embedder import MiniLMEmbedder
from guru.models.local.moderator import LocalModerator, load_examples
from guru.tasks import ModerationRequest

EXAMPLES = Path(__file__).with_name("moderation_examples.toml")


async def fit_weights(embedder: MiniLMEmbedder) -> None:
    """On the best category of each of the model's own sentences, compared with all the others."""
    data = load_examples()
    labels = [category for category, texts in data["harmful"].items() for _ in texts]
    harmful = await embedder.embed([text for group in data["harmful"].values() for text in group])
    ordinary = await embedder.embed(data["ordinary"]["texts"])
    rows, harms = [], []
    for vectors, is_harm in ((harmful, 1.0), (ordinary, 0.0)):
        near, far = vectors @ harmful.T, vectors @ ordinary.T
        np.fill_diagonal(near if is_harm else far, -1.0)
        for row, plain in zip(near, far.max(axis=1), strict=True):
            rows.append((row.max(), row.max() - plain))
            harms.append(is_harm)
    print("weights", fit(np.array(rows), np.array(harms)).round(2).tolist(), "sentences", len(labels))


async def measure(moderator: LocalModerator) -> dict[str, Any]:
    data = tomllib.loads(EXAMPLES.read_text(encoding="utf-8"))
    scores: dict[str, list[float]] = {}
    missed, right = [], 0
    for category, texts in [*data["harmful"].items(), ("ordinary", data["ordinary"]["texts"])]:
        found = (await moderator.moderate(ModerationRequest(model=moderator.name, input=texts))).results
        scores[category] = [max(result.category_scores.values()) for result in found]
        missed += [
            text for text, result in zip(texts, found, strict=True) if result.flagged == (category == "ordinary")
        ]
        top = [max(result.category_scores, key=lambda name: result.category_scores[name]) for result in found]
        right += sum(name.partition("/")[0] == category.partition("/")[0] for name in top)
    harm = np.array([score for name, group in scores.items() if name != "ordinary" for score in group])
    plain = np.array(scores["ordinary"])
    auc = float((harm[:, None] > plain[None, :]).mean())
    curve = {t: (float((harm >= t).mean()), float((plain >= t).mean())) for t in (0.3, 0.4, 0.5, 0.6, 0.7)}
    return {"harmful": len(harm), "ordinary": len(plain), "auc": auc, "curve": curve, "category": right / len(harm),
            "missed": missed}  # fmt: skip


async def run(options: argparse.Namespace) -> None:
    embedder = MiniLMEmbedder()
    if options.fit:
        await fit_weights(embedder)
    found = await measure(LocalModerator(embedder))
    print(f"{found['harmful']} harmful and {found['ordinary']} ordinary texts, AUC {found['auc']:.3f}")
    print(f"right category in {found['category']:.0%} of the harmful ones")
    for threshold, (recall, alarms) in found["curve"].items():
        print(f"threshold {threshold}: finds {recall:.0%}, false alarms {alarms:.1%}")
    print("wrong:", *found["missed"], sep="\n  ")
    embedder.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", action="store_true")
    asyncio.run(run(parser.parse_args()))

"""The settings of a tuning in words, from its report. Reports of older versions have fewer fields."""

from __future__ import annotations

from typing import Final

from guru.types import JSON, RERANK_OFF, RERANK_TOP, SIDE_WEIGHT

LONGEST: Final = 24
"""Letters of a model's name beside a point."""


def label(setting: JSON) -> str:
    """`hybrid (rrf), 6 passages of 200 tokens, best 30 reranked by rerank`."""
    noun = "passage" if setting["k"] == 1 else "passages"
    parts = [way(setting), f"{setting['k']} {noun} of {size(setting)}"]
    if reranker(setting) != RERANK_OFF:
        parts.append(f"best {setting['rerank_top']} reranked by {reranker(setting)}")
    return ", ".join(parts)


def way(setting: JSON) -> str:
    """`hybrid`, `hybrid (weighted, dense 0.7)`."""
    named = fused(setting)
    return str(setting["mode"]) + (f" ({named})" if named else "")


def fused(setting: JSON) -> str:
    """How the sides were fused: `rrf`; nothing for the learned fusion."""
    fusion, weight = setting.get("fusion", "learned"), setting.get("dense_weight")
    if fusion == "learned" or setting["mode"] != "hybrid":
        return ""
    return fusion if weight in (None, SIDE_WEIGHT) else f"{fusion}, dense {weight:g}"


def size(setting: JSON) -> str:
    """`200 tokens`, `100 tokens (heading)`, `800 tokens (hierarchical, by chunks of 200)`."""
    chunking, tokens = setting.get("chunking", "recursive"), setting["chunk_tokens"]
    if chunking == "hierarchical":
        return f"{setting['parent_tokens']} tokens (hierarchical, by chunks of {tokens})"
    return f"{tokens} tokens" + (f" ({chunking})" if chunking != "recursive" else "")


def reranker(setting: JSON) -> str:
    return str(setting.get("rerank", RERANK_OFF))


def short(setting: JSON, current: JSON) -> str:
    """What tells a setting from the current one, but for its mode: `10`, `6×100 heading, rrf`."""
    parts = [str(setting["k"])]
    if setting["chunk_tokens"] != current["chunk_tokens"]:
        parts[0] += f"×{setting['chunk_tokens']}"
    if (chunking := setting.get("chunking")) != current.get("chunking"):
        parts[0] += f" {chunking}"
    if setting["mode"] == "hybrid" and fused(setting) != fused(current):
        parts.append(fused(setting) or "learned")
    if (model := reranker(setting)) != reranker(current):
        parts.append("not reranked" if model == RERANK_OFF else model.rpartition("/")[2][:LONGEST])
    if model != RERANK_OFF and setting["rerank_top"] != (current.get("rerank_top") or RERANK_TOP):
        parts.append(f"best {setting['rerank_top']}")
    return ", ".join(parts)


def is_chosen(setting: JSON, report: JSON) -> bool:
    """Whether it is the recommended one, or the one to keep."""
    chosen = (report["recommendation"] or {}).get("setting", {})
    return bool(chosen) and all(setting[name] == value for name, value in chosen.items())


def current_of(report: JSON) -> JSON:
    """The setting of today."""
    found: JSON = next(setting for setting in report["settings"] if setting["current"])
    return found


def verdict(report: JSON) -> str:
    """What to use, and why."""
    chosen = report["recommendation"]
    if chosen is None:
        return "No question has an answer: there is nothing to compare."
    return f"{'Use' if chosen['change'] else 'Keep'} {label(chosen['setting'])}. {chosen['reason']}"


def failures(setting: JSON, questions: int) -> str:
    """`failed for 3 of 50 questions: why`; nothing where all went well."""
    if not setting.get("failed"):
        return ""
    return f"failed for {setting['failed']} of {questions} questions: {setting['problem']}"

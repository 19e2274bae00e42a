"""The semantic cache on questions of strangers, with what it was tuned on kept apart from what is reported.

    python benchmarks/semantic_cache_qqp.py PAIRS [--split held-out] [--size 4000] [--peer PYTHON] [--show 20]

PAIRS is `examples/benchmark/similiar_qqp_full.json.gz` of GPTCache's repository: pairs of questions asked on Quora,
which people have labelled as duplicates or not. A question belongs to one split, by a hash of its text, and a pair is
used where both of its questions do; whatever is chosen (a threshold, a word in words.toml) is chosen on `tuning`.

The first question of each pair is stored, all in one cache; then the second ones are asked. A duplicate should hit its
own, one that is no duplicate must not. More near misses are made by rule from the stored questions: another number,
another name, another unit, a negation, two names that change places; none of them may hit. Rates have 95 % intervals
(Wilson). A hit on another stored question, about which nobody has said anything, is counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import itertools
import json
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from semantic_cache import Ask, Guru, embed, peer

from guru.gateway.cache.guards import NEGATION, NUMBERS, may_be_shared

THRESHOLDS = (0.75, 0.8, 0.85, 0.9, 0.95)
PEER_THRESHOLDS = (0.8, 0.975, 0.9, 0.95)
UNITS = (("kilometers", "miles"), ("kg", "pounds"), ("meters", "feet"), ("hours", "days"), ("dollars", "euros"),
         ("weeks", "months"), ("days", "weeks"), ("months", "years"), ("inches", "centimeters"))  # fmt: skip


class Pair(NamedTuple):
    one: str
    other: str
    same: bool


def split_of(question: str) -> str:
    return "tuning" if hashlib.sha256(question.casefold().encode()).digest()[0] % 2 else "held-out"


def read_pairs(path: Path, split: str, size: int) -> list[Pair]:
    """The first `size` pairs of a split, in an order that says nothing. No question is stored or asked twice."""
    text = gzip.decompress(path.read_bytes()).decode()
    rows, _ = json.JSONDecoder().raw_decode(text, text.index("[" + "\n"))  # a tar archive with one file
    pairs = [Pair(row["text_a"].strip(), row["text_b"].strip(), bool(int(row["label"]))) for row in rows]
    chosen = [pair for pair in pairs if split_of(pair.one) == split_of(pair.other) == split and pair.one != pair.other]
    chosen.sort(key=lambda pair: hashlib.sha256(f"{pair.one}\n{pair.other}".encode()).digest())
    seen: set[str] = set()
    kept: list[Pair] = []
    for pair in chosen:
        if not seen & {pair.one.casefold(), pair.other.casefold()} and len(kept) < size:
            seen |= {pair.one.casefold(), pair.other.casefold()}
            kept.append(pair)
    return kept


# ------------------------------------------------------------- near misses by rule


def misled(questions: list[str]) -> dict[str, list[str]]:
    """Questions that sound like stored ones and ask for something else, by what was changed."""
    names = sorted({name for question in questions for name in names_of(question)})
    chance = random.Random(3)
    made: dict[str, list[str]] = {"number": [], "name": [], "unit": [], "negation": [], "order": []}
    for question in filter(may_be_shared, questions):
        if number := re.search(r"\b\d{1,4}\b", question):
            changed = str(int(number[0]) + chance.randint(1, 9))
            made["number"].append(question[: number.start()] + changed + question[number.end() :])
        own = names_of(question)
        if own:
            made["name"].append(question.replace(own[0], chance.choice(names), 1))
        directed = len(own) == 2 and re.search(r"\b(?:from|to|than|over|before|after|beat|into|against)\b", question)
        if directed and not re.search(rf"\b(?:and|or|between)\b|{own[0]} {own[1]}", question):
            made["order"].append(question.replace(own[0], "\0").replace(own[1], own[0]).replace("\0", own[1]))
        for one, other in itertools.chain(UNITS, ((b, a) for a, b in UNITS)):
            if re.search(rf"\b{one}\b", question):
                made["unit"].append(re.sub(rf"\b{one}\b", other, question, count=1))
                break
        if not any(word in NEGATION for word in question.casefold().split()):
            without = re.sub(r"\b(is|are|can|should|does|do|did|will|would)\b (\w+)", r"\1 \2 not", question, count=1)
            if without != question:
                made["negation"].append(without)
    stored = {question.casefold() for question in questions}
    return {kind: [each for each in found if each.casefold() not in stored] for kind, found in made.items()}


def names_of(question: str) -> list[str]:
    """Words that are written large inside a question, and are no ordinary start of one."""
    found = re.findall(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b", question)
    return list(dict.fromkeys(name for name in found if name.casefold() not in NUMBERS))


# ------------------------------------------------------------------------ judging


def rate(part: int, whole: int) -> str:
    """A rate with its 95 % interval."""
    if not whole:
        return "-"
    z, p = 1.96, part / whole
    middle, half = p + z * z / (2 * whole), z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole))
    low, high = ((middle - half) / (1 + z * z / whole), (middle + half) / (1 + z * z / whole))
    return f"{p:.1%} ({max(low, 0):.1%} to {high:.1%}; {part} of {whole})"


def judge(pairs: list[Pair], made: dict[str, list[str]], found: list[str | None]) -> str:
    """A row of the table: of duplicates, of others, of what was made by rule, and of hits that nobody has judged."""
    answers = iter(found[len(pairs) :])
    same = other = hits = false = unjudged = 0
    for pair in pairs:
        answer = next(answers)
        same, other = same + pair.same, other + (not pair.same)
        hits += pair.same and answer == pair.one
        false += not pair.same and answer == pair.one
        unjudged += answer is not None and answer != pair.one
    wrong = {kind: sum(next(answers) is not None for _ in asked) for kind, asked in made.items()}
    total = sum(map(len, made.values()))
    return f"{rate(hits, same)} | {rate(false, other)} | {rate(sum(wrong.values()), total)} | {unjudged}"


def asks_of(pairs: list[Pair], made: dict[str, list[str]]) -> list[Ask]:
    stored: list[Ask] = [("put", pair.one) for pair in pairs]
    return [*stored, *(("get", pair.other) for pair in pairs), *(("get", q) for asked in made.values() for q in asked)]


def shown(pairs: list[Pair], made: dict[str, list[str]], found: list[str | None], most: int) -> Iterator[str]:
    """What went wrong, to look at. On `tuning`: what was seen cannot be reported any more."""
    answers = found[len(pairs) :]
    wrong = [(p.other, a) for p, a in zip(pairs, answers, strict=False) if a is not None and (a != p.one or not p.same)]
    asked = [question for each in made.values() for question in each]
    wrong += [(question, a) for question, a in zip(asked, answers[len(pairs) :], strict=True) if a is not None]
    missed = [(p.other, p.one) for p, a in zip(pairs, answers, strict=False) if p.same and a is None]
    yield from (f"FALSE  {question}  <-  {answer}" for question, answer in wrong[:most])
    yield from (f"MISSED {question}  <-  {answer}" for question, answer in missed[:most])


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--split", choices=("tuning", "held-out"), default="held-out")
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--peer", help="an interpreter with gptcache==0.1.44 and faiss-cpu")
    parser.add_argument("--show", type=int, default=0, help="so many wrong hits and misses at the default threshold")
    options = parser.parse_args()
    pairs = read_pairs(options.pairs, options.split, options.size)
    made = misled([pair.one for pair in pairs])
    asks = asks_of(pairs, made)
    vectors = await embed(list(dict.fromkeys(question for _, question in asks)))
    print(f"{options.split}: {len(pairs):,} pairs, {sum(pair.same for pair in pairs):,} of them duplicates; by rule:",
          ", ".join(f"{len(asked):,} {kind}" for kind, asked in made.items()), end="\n\n")  # fmt: skip
    print("| system | threshold | duplicates that hit | others that hit | made by rule that hit | unjudged hits |")
    print("|---|---|---|---|---|---|")
    for guarded in (True, False):
        for threshold in THRESHOLDS:
            found = Guru(vectors, threshold, guarded=guarded).run(asks)
            name = "Guru" if guarded else "vectors alone"
            print(f"| {name} | {threshold} | {judge(pairs, made, found)} |", flush=True)
            if guarded and threshold == 0.85 and options.show:
                print("\n".join(shown(pairs, made, found, options.show)))
    if options.peer:
        for threshold in PEER_THRESHOLDS:
            (found,) = peer(options.peer, vectors, [(threshold, asks)])
            name = f"GPTCache 0.1.44{' (its default)' if threshold == 0.8 else ''}"
            cosine = 1 - 2 * (1 - threshold)
            print(f"| {name} | {threshold} (cos {cosine:.2f}) | {judge(pairs, made, found)} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""Fuzz every codec: python benchmarks/fuzz_codecs.py --seconds 300 [--codec NAME] [--family NAME] [--seed N]

Documented samples of every format are mutated and given to the codecs. Nothing but an error of Guru's may be raised,
nothing may hang or take memory without bound, and a stream must end in `Completed` or an error. Every finding is
printed once, with the command that repeats it. Exits with 1 when there is one. The test files' packages must be there.
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from models.wire.fuzz_codecs import TooSlow, attempt, codecs  # type: ignore[import-not-found]

GROWTH = 256 << 10
"""KiB that the process may grow by for one input."""


def input_of(codec: Any, seed: int, number: int) -> Any:
    """The same for the same numbers, as long as the samples do not change."""
    return codec.input(Random(f"{seed}:{codec.name}:{number}"))


def signature(error: BaseException) -> str:
    """Where and what: findings that share it are one."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/guru/" in frame.filename] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    harness = "/tests/" in ours[-1].filename  # its assertions differ by what they say
    what = re.sub(r"\d+", "0", str(error).splitlines()[0][:80]) if harness and str(error) else ""
    return f"{type(error).__name__} at {place} {what}".strip()


def fuzz(codec: Any, seconds: float, seed: int, findings: dict[str, tuple[str, int, str]]) -> tuple[int, Counter[str]]:
    """Run one codec for a while. Returns the number of inputs, and how they ended."""
    outcomes: Counter[str] = Counter()
    until = time.monotonic() + seconds
    number = 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while time.monotonic() < until:
        given = input_of(codec, seed, number)
        try:
            outcomes[attempt(codec, given)] += 1
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if now - peak > GROWTH:
                raise MemoryError(f"{(now - peak) >> 10} MiB for one input")
            peak = max(peak, now)
        except KeyboardInterrupt:
            raise
        except (Exception, TooSlow) as error:
            outcomes["CRASH"] += 1
            found = f"{codec.family}: {signature(error)}"
            if found not in findings:
                findings[found] = (codec.name, number, repr(given)[:1500])
                print(f"FOUND {found}\n  --codec {codec.name} --seed {seed} --input {number}", flush=True)
        number += 1
    return number, outcomes


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--codec", default="", help="a name, or the beginning of one")
    parser.add_argument("--family", default="", help="doors, encoders, answers, requests, parsers or tasks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--input", type=int, help="repeat one input, with the whole traceback")
    given = parser.parse_args()
    chosen = [
        codec for name, codec in codecs().items()
        if name.startswith(given.codec) and given.family in ("", codec.family)
    ]  # fmt: skip
    if given.input is not None:
        value = input_of(chosen[0], given.seed, given.input)
        print(repr(value)[:4000])
        print(attempt(chosen[0], value))
        return 0
    findings: dict[str, tuple[str, int, str]] = {}
    total = 0
    for codec in chosen:
        seconds = given.seconds / len(chosen)
        number, outcomes = fuzz(codec, seconds, given.seed, findings)
        total += number
        shown = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
        print(f"{codec.name}: {number} inputs, {number / seconds:.0f}/s: {shown}", flush=True)
    print(f"{total} inputs, {total / given.seconds:.0f}/s, {len(findings)} findings")
    for found, (name, number, value) in findings.items():
        print(f"\n{found}\n  --codec {name} --seed {given.seed} --input {number}\n  {value}")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())

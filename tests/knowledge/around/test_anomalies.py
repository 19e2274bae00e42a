"""What is unlike the rest, by its neighbours and by its characters, and nothing else."""

import random
import string

import numpy as np
import pytest

from guru.knowledge.around import anomalies
from guru.knowledge.around.anomalies import measure
from guru.knowledge.around.oddities import odd_text, other_language, short_text

PROSE = (
    "The feed pump delivers forty litres per minute. Its bearings are greased every March, and the seals are looked "
    "at whenever the boiler is cold. Whoever finds a leak writes it into the book beside the door and calls the shift "
    "lead, who decides whether the pump may run until the weekend. A second pump stands ready in the cellar. "
)
TABLE = "| part | weight | price |\n|---|---|---|\n" + "".join(
    f"| B-{n} | {n * 7} | {n * 31}.50 |\n" for n in range(60)
)
CODE = (
    "def area(w, h):\n    return w * h\n\n\nclass Box:\n    def __init__(self, w, h):\n        self.w, self.h = w, h\n"
    * 4
)


def cloud(n=60, dimension=32, noise=0.12, seed=0):
    middle = np.eye(dimension)[0]
    return middle + np.random.default_rng(seed).normal(size=(n, dimension)) * noise


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_what_lies_apart_is_unusual_and_nothing_else_is():
    away = np.eye(32)[7:9]
    found = measure(unit(np.concatenate([cloud(), away])))
    assert np.flatnonzero(found.unusual).tolist() == [60, 61]
    assert found.factor[60] > found.factor[:60].max()
    assert 0.9 < np.median(found.factor) < 1.1


def test_in_clouds_without_outliers_nearly_nothing_is_claimed():
    shares = [measure(unit(cloud(200, seed=seed))).unusual.mean() for seed in range(10)]
    assert np.mean(shares) < 0.01


def test_copies_do_not_make_everything_else_infinitely_far():
    found = measure(unit(np.concatenate([np.repeat(cloud(1), 30, axis=0), cloud(30)])))
    assert np.isfinite(found.factor).all()
    assert np.isfinite(found.deviation).all()


def test_all_alike_is_nothing_unusual_and_of_a_few_nothing_can_be_said():
    assert not measure(unit(np.repeat(cloud(1), 20, axis=0))).unusual.any()
    assert measure(unit(cloud(5))) is None


def test_neighbours_are_the_nearest_and_never_the_point_itself():
    vectors = unit(cloud(40))
    found = measure(vectors)
    for place, (near, cosines) in enumerate(zip(found.neighbours, found.similarity, strict=True)):
        exact = vectors @ vectors[place]
        exact[place] = -2
        assert place not in near
        assert cosines == pytest.approx(np.sort(exact)[::-1][: len(near)], abs=1e-5)


def test_of_many_documents_neighbours_come_from_a_sample(monkeypatch):
    monkeypatch.setattr(anomalies, "SAMPLE", 40)
    found = measure(unit(np.concatenate([cloud(80), np.eye(32)[5:6]])))
    assert found.sampled == 40
    assert len(np.unique(found.neighbours)) <= 40
    assert found.deviation.argmax() == 80


def kinds(text):
    return [reason.kind for reason in odd_text(text)]


def test_noise_is_garbled():
    rows = random.Random(1)
    assert kinds("".join(rows.choice(string.punctuation) for _ in range(800))) == ["garbled"]
    assert kinds(PROSE * 2 + "\ufffd" * 60) == ["garbled"]
    consonants = " ".join("".join(rows.choice("bcdfghjklmnpqrstvwxz") for _ in range(7)) for _ in range(100))
    assert kinds(consonants) == ["garbled"]


def test_the_same_again_and_again_is_repeated():
    assert kinds("All rights reserved. " * 100) == ["repeated"]


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        TABLE,
        CODE,
        "Die Pumpe wird im Frühjahr gewartet, und der Meister schreibt es in das Buch neben der Tür. " * 2 + PROSE,
        "Насос обслуживают весной, а мастер записывает это в книгу у двери. Второй насос стоит в подвале дома. " * 3,
        "机器学习是人工智能的一个分支。它研究如何让计算机从数据中学习，而不需要明确的程序。" * 3
        + "模型由样本训练而成。" * 2,
        "short",
        "",
    ],
)
def test_prose_tables_code_and_other_scripts_are_not_odd(text):
    assert kinds(text) == []


def test_short_and_foreign_are_said_only_beside_what_is_usual():
    assert short_text(40, 3000).kind == "short"
    assert short_text(400, 3000) is None
    assert short_text(4, 100) is None
    assert other_language("de", "en", 0.95).kind == "language"
    assert other_language("de", "en", 0.5) is None
    assert other_language(None, "en", 1.0) is None

"""What a new statement does to an old one: 115 pairs, of which the rules had not seen 61 when they were written."""

import tomllib
from pathlib import Path

import pytest

from guru.agents.memory.relations import relate
from guru.agents.memory.statements import read_statement

PAIRS = tomllib.loads((Path(__file__).parents[2] / "fixtures" / "memory_pairs.toml").read_text())


async def judged(pairs, embedder):
    """The pairs, each with what is said of it."""
    vectors = await embedder.embed([text for pair in pairs for text in (pair["old"], pair["new"])])
    found = []
    for at, pair in enumerate(pairs):
        old, new = read_statement(pair["old"]), read_statement(pair["new"])
        found.append((pair, relate(new, old, float(vectors[2 * at] @ vectors[2 * at + 1]))))
    return found


@pytest.mark.parametrize(("split", "least"), [("tuned", 1.0), ("held", 0.92)])
async def test_pairs_are_told_apart(embedder, split, least):
    found = await judged(PAIRS[split], embedder)
    assert len(found) >= 50
    wrong = [(pair["old"], pair["new"], pair["relation"], said) for pair, said in found if said != pair["relation"]]
    assert 1 - len(wrong) / len(found) >= least, wrong


async def test_nothing_that_holds_is_taken_for_contradicted(embedder):
    """The costly mistake: a memory that is hidden although it holds."""
    found = await judged(PAIRS["tuned"] + PAIRS["held"], embedder)
    assert [pair for pair, said in found if said == "contradicts" and pair["relation"] != "contradicts"] == []


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("Hi, my name is Ann.", "user: name", "ann"), ("I've moved to Lisbon last month", "user: home", "lisbon"),
        ("My favorite color is green!", "user: favourite colour", "green"),
        ("I have two kids", "user: count of child", "2"), ("Apollo's manager is Jane", "apollo: manager", "jane"),
        ("The manager of Project Apollo is Jane", "apollo: manager", "jane"), ("It rained.", None, ""), ("", None, ""),
        ("Priya is my manager", "user: manager", "priya"), ("I " * 900, None, ""),
    ],
)  # fmt: skip
def test_a_statement_is_read_as_subject_attribute_and_value(text, key, value):
    statement = read_statement(text)
    assert (statement.key, statement.value) == (key, value)

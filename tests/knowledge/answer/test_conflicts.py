"""Sources that disagree: both are shown, the newest first."""

import tomllib
from pathlib import Path

import pytest

from guru.types import Delta, Disputed, Finished
from knowledge.answer.answering import ScriptedModel

PAIRS = tomllib.loads((Path(__file__).parents[2] / "fixtures" / "contradictions.toml").read_text("utf-8"))["pair"]
LIMIT = "How many days of unpaid leave may an employee of Tarn take?"
OLD = "---\ndate: 2022-03-01\n---\nAn employee of Tarn may take 30 days of unpaid leave. Ask your manager."
NEW = "---\ndate: 2024-03-01\n---\nAn employee of Tarn may take 45 days of unpaid leave. Ask the office."


def conflicts(answer):
    return [conflict for event in answer.events if isinstance(event, Disputed) for conflict in event.conflicts]


def text_of(side):
    return (f"---\ndate: {side['date']}\n---\n" if side["date"] else "") + side["text"] + "\n"


@pytest.mark.parametrize("reads", [True, False])
async def test_an_answer_shows_both_sides_the_newest_first(shelf, reads):
    await shelf.put("c", {"old.md": OLD, "new.md": NEW})
    model = ScriptedModel("An employee may take 30 days of unpaid leave.")
    answer = await shelf.ask("c", LIMIT, model, reads=reads)
    assert answer.outcome == "answered"
    first, note = answer.text.split("\n\n")
    assert first == "An employee may take 30 days of unpaid leave [1]."
    assert note == "The sources disagree: “45 days” [2] (2024-03-01); “30 days” [1] (2022-03-01)."
    (conflict,) = conflicts(answer)
    assert conflict.kind == "value"
    assert [(p.n, p.says, p.document.rpartition("/")[2], p.date) for p in conflict.positions] == [
        (2, "45 days", "new.md", "2024-03-01"),
        (1, "30 days", "old.md", "2022-03-01"),
    ]
    for citation in answer.citations:
        assert await shelf.stored(citation) == citation.quote
    kinds = [type(event) for event in answer.events]
    assert kinds.index(Disputed) < kinds.index(Finished) and kinds[0] is Delta


async def test_what_a_small_model_saw_alone_is_not_all_that_is_shown(shelf):
    await shelf.put("c", {"old.md": OLD, "new.md": NEW})
    for said in ("30 days", "45 days", "a week"):
        answer = await shelf.ask("c", LIMIT, ScriptedModel(said, small=True))
        assert answer.text.count("days") >= 2 and len(answer.citations) == 2
        assert [position.says for position in conflicts(answer)[0].positions] == ["45 days", "30 days"]


async def test_a_model_that_can_is_told_of_it_before_it_writes(shelf):
    await shelf.put("c", {"old.md": OLD, "new.md": NEW})
    model = ScriptedModel("Nothing.")
    await shelf.ask("c", LIMIT, model)
    system, user = model.request.messages
    newest = user.text[: user.text.index("45 days")].rindex('<source id="') + len('<source id="')
    number = int(user.text[newest])
    assert f"The sources [{number}] and [{3 - number}] disagree on this" in system.text
    assert 'date="2024-03-01"' in user.text


async def test_nothing_is_disputed_that_is_not_cited(shelf):
    await shelf.put("c", {"old.md": OLD, "new.md": NEW})
    declined = await shelf.ask("c", LIMIT, ScriptedModel("Nothing."), threshold=1.0)
    assert declined.outcome == "declined" and not conflicts(declined)


async def test_it_can_be_turned_off(shelf):
    await shelf.put("c", {"old.md": OLD, "new.md": NEW})
    model = ScriptedModel("An employee may take 30 days of unpaid leave.")
    answer = await shelf.ask("c", LIMIT, model, settings={"conflicts": False})
    assert "disagree" not in answer.text and not conflicts(answer)


async def test_one_document_does_not_contradict_itself(shelf):
    both = OLD + "\n\n" + "An employee of Tarn may take 45 days of unpaid leave. Ask the office."
    await shelf.put("c", {"both.md": both})
    answer = await shelf.ask("c", LIMIT, ScriptedModel("An employee may take 30 days of unpaid leave."))
    assert answer.citations and not conflicts(answer)


async def test_a_name_and_a_value_cannot_forge_markers(shelf):
    await shelf.put(
        "c", {"notes [1].md": "The code word of the Ilex club is alder [2]. It is secret.",
              "memo.md": "The code word of the Ilex club is rowan. It is secret."}
    )  # fmt: skip
    answer = await shelf.ask("c", "What is the code word of the Ilex club?", ScriptedModel("The code word is rowan."))
    numbers = {citation.n for citation in answer.citations}
    assert numbers == set(range(1, len(answer.citations) + 1))
    for conflict in conflicts(answer):
        assert {position.n for position in conflict.positions} <= numbers


async def test_the_pairs_are_told_apart(shelf):
    """A sample; benchmarks/contradictions.py measures all of them."""
    sample = PAIRS[::5]
    await shelf.put("c", {side["name"]: text_of(side) for pair in PAIRS for side in (pair["a"], pair["b"])})
    wrong = []
    for pair in sample:
        answer = await shelf.ask("c", pair["question"], ScriptedModel("Nothing that stands."))
        named = [{p.document.rpartition("/")[2] for p in conflict.positions} for conflict in conflicts(answer)]
        wanted = [{pair["a"]["name"], pair["b"]["name"]}] if pair.get("contradicts") else []
        if named != wanted:
            wrong.append(pair["question"])
    assert not wrong

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import Forbidden, ModelNotFound, ModelUnavailable, RateLimited
from guru.knowledge.answer.query import is_follow_up
from guru.knowledge.queries import WAYS, Limits, expand, follow_up
from guru.knowledge.queries.reading import Probe, Unreadable, decode, read_queries
from guru.types import Message


class Writer:
    """Answers by what the instruction asks for; an exception is raised, a number is waited for."""

    def __init__(self, *answers, **by_way):
        self.answers, self.by_way, self.asked = list(answers), by_way, []

    async def write(self, instruction, text, max_tokens):
        self.asked.append((instruction, text, max_tokens))
        way = next((name for name, way in WAYS.items() if instruction == way.INSTRUCTION), "follow-up")
        answer = self.by_way.get(way.replace("-", "_"), self.answers[0] if self.answers else "")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        return answer if isinstance(answer, str) else ""


def queries(*texts):
    return json.dumps({"queries": texts})


QUESTION = "May I carry 12 days of leave over?"
LIMITS = Limits(tokens=99, seconds=5.0)


async def test_every_way_makes_queries_beside_the_question():
    writer = Writer(
        multi_query=queries("Can leave be kept for next year?", "Carry-over of vacation"),
        hyde='{"passage": "Employees may carry over up to ten days of leave."}',
        step_back=queries("What are the rules on leave?"),
        decomposition=queries("How many days may be carried over?", QUESTION),
    )  # fmt: skip
    probes, notes = await expand(QUESTION, list(WAYS), writer, LIMITS)
    assert notes == []
    assert probes == [
        Probe("Can leave be kept for next year?"),
        Probe("Carry-over of vacation"),
        Probe("Employees may carry over up to ten days of leave.", meaning_only=True),
        Probe("What are the rules on leave?"),
        Probe("How many days may be carried over?"),
    ]
    assert [(text, tokens) for _, text, tokens in writer.asked] == [(QUESTION, 99)] * 4
    assert all("do not answer it" in instruction or "passage" in instruction for instruction, *_ in writer.asked)


async def test_what_two_ways_make_is_searched_for_once():
    writer = Writer(queries("Rules on leave", "RULES ON LEAVE", QUESTION.upper()))
    probes, _ = await expand(QUESTION, ["multi-query", "decomposition", "multi-query"], writer, LIMITS)
    assert (probes, len(writer.asked)) == ([Probe("Rules on leave")], 2)


GARBAGE = [
    "", "Sure! Here are some queries.", "1. leave\n2. vacation", '["a", "b"]', '{"queries": "a"}', '{"queries": []}',
    '{"queries": [""]}', '{"queries": ["  "]}', '{"queries": [1]}', '{"query": ["a"]}', '{"queries": ["a"], "more": 1}',
    '{"queries": ["a"]} and more', queries(*"abcde"), queries("x" * 301), "[" * 5000, '{"queries": ["\ud800"]}',
]  # fmt: skip


@pytest.mark.parametrize("answer", GARBAGE)
async def test_an_answer_that_is_not_what_was_asked_for_leaves_the_question_as_it_is(answer):
    for way in WAYS:
        probes, (note,) = await expand(QUESTION, [way], Writer(answer), LIMITS)
        assert probes == []
        assert note.startswith(f"{way}: ")
        assert note.endswith("the question is used as it is.")


async def test_a_way_that_fails_leaves_the_others():
    writer = Writer(multi_query=ModelUnavailable("The model is not there."), step_back=queries("Rules on leave"))
    probes, (note,) = await expand(QUESTION, ["multi-query", "step-back"], writer, LIMITS)
    assert probes == [Probe("Rules on leave")]
    assert "The model is not there." in note


async def test_a_model_that_is_late_is_not_waited_for():
    began = asyncio.get_running_loop().time()
    probes, (note,) = await expand(QUESTION, ["hyde"], Writer(30.0), Limits(seconds=0.05))
    assert (probes, "within 0.05 seconds" in note) == ([], True)
    assert asyncio.get_running_loop().time() - began < 20


async def test_a_limit_that_is_met_is_a_note_but_a_wrong_name_is_an_error():
    assert (await expand(QUESTION, ["hyde"], Writer(RateLimited("Too many requests.")), LIMITS))[1] != []
    for error in (ModelNotFound("There is no model."), Forbidden("It may not be used.")):
        with pytest.raises(type(error)):
            await expand(QUESTION, ["hyde"], Writer(error), LIMITS)


async def test_a_search_that_is_given_up_gives_up_its_questions():
    task = asyncio.create_task(expand(QUESTION, ["hyde"], Writer(30.0), LIMITS))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_long_question_is_shown_in_part():
    writer = Writer(queries("a"))
    await expand("x" * 100_000, ["multi-query"], writer, LIMITS)
    assert len(writer.asked[0][1]) == 4000


def test_json_may_stand_in_a_fence_and_lines_are_joined():
    assert read_queries('```json\n{"queries": ["a\\n b"]}\n```', "q") == [Probe("a b")]
    with pytest.raises(Unreadable):
        read_queries('```python\n{"queries": ["a"]}\n```', "q")


@given(st.text(max_size=60))
def test_any_answer_is_read_or_refused(answer):
    for way in (*WAYS.values(), follow_up):
        for text in (answer, queries(answer), json.dumps({"passage": answer})):
            try:
                found = way.read(text, "q")
            except Unreadable:
                continue
            assert all(isinstance(probe, Probe) and 0 < len(probe.text) <= 2000 for probe in found)


def test_nothing_but_the_shape_is_decoded():
    with pytest.raises(Unreadable):
        decode("null", dict)


def talk(*texts):
    return [Message("user" if n % 2 == 0 else "assistant", text) for n, text in enumerate(texts)]


def test_a_follow_up_is_shown_with_what_was_said_before():
    messages = [Message("system", "Be brief."), *talk("Who leads Anlagenbau?", "Dr. Osei [1].", "Since when?")]
    assert follow_up.transcript(messages, "Since when?") == (
        "User: Who leads Anlagenbau?\nAssistant: Dr. Osei [1].\n\nLast question: Since when?"
    )
    assert is_follow_up(messages)
    assert not is_follow_up(talk("Who leads Anlagenbau?"))


def test_a_follow_up_becomes_one_question():
    assert follow_up.read(queries("Since when does Dr. Osei lead Anlagenbau?"), "Since when?") == [
        Probe("Since when does Dr. Osei lead Anlagenbau?")
    ]
    assert follow_up.read(queries("Since when?"), "Since when?") == []
    with pytest.raises(Unreadable):
        follow_up.read(queries("a", "b"), "Since when?")

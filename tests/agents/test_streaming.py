"""Answers that are shown while they are written: by every strategy as much as is certain, and nothing else."""

import asyncio
import json

import pytest

from agents.acting import World, events_of
from agents.test_strategies import Words
from guru.agents.agent import Agent
from guru.agents.embedded import ask
from guru.config.agent import ToolExample
from guru.types import Completed, Delta, Finished, Usage

MARK = "=== ANSWER ===\n"
ADD = ("add", {"a": 2, "b": 3})


class Slow:
    """An answer whose rest is not written before whoever listens has heard of its beginning."""

    def __init__(self, *pieces):
        self.pieces = pieces


class Spoken:
    """Words before a call of a tool; where they are `awaited`, whoever listens has heard of them before the call."""

    def __init__(self, words, *calls, awaited=False):
        self.words, self.calls, self.awaited = words, calls, awaited


class Speaking:
    """Answers each request by a function of it, piece by piece."""

    name = "test/speaking"
    context_length = 8192
    small = False

    def __init__(self, by):
        self.by = by
        self.heard = asyncio.Event()
        self.told = []
        self.requests = []

    def hear(self, text):
        self.told.append(text)
        self.heard.set()

    async def chat(self, request):
        self.requests.append(request)
        said = self.by(request)
        if isinstance(said, Slow):
            for piece in said.pieces[:-1]:
                yield Delta(text=piece)
            await self.heard.wait()
            yield Delta(text=said.pieces[-1])
            for event in (Finished("stop"), Completed(model=self.name, usage=Usage())):
                yield event
            return
        if isinstance(said, Spoken):
            for word in said.words:
                yield Delta(text=word)
            if said.awaited:
                await self.heard.wait()
            said = list(said.calls)
        for event in events_of(said, len(self.requests)):
            yield event


def last(request):
    return request.messages[-1].text


def results(request):
    return sum(message.role == "tool" for message in request.messages)


def in_turn(*answers):
    """What a model says after so many results."""
    return lambda request: answers[min(results(request), len(answers) - 1)]


def in_words(request):
    if "Observation: 5" in last(request):
        return Slow("Thought: now I kn", "ow\nFinal An", "swer: It", " is 5.\nObserved.", "\nObservation: 6")
    return 'Thought: I add.\nAction: add\nAction Input: {"a": 2, "b": 3}\nObservation: 9\nFinal Answer: 9'


def planned(request):
    if request.response_format:
        return json.dumps({"steps": ["add", "sing"] if "Make a plan" in last(request) else []})
    if "Do this next step" in last(request):
        return Spoken("I add.", ADD)
    return f"A step found {last(request)}." if request.messages[-1].role == "tool" else Slow("It", " is 5.", " Sung.")


def reviewed(*problems):
    """A reviewer who finds these, one after the other."""
    left = list(problems)

    def answer(request):
        if request.response_format:
            return json.dumps({"problems": [problem] if (problem := left.pop(0)) else []})
        return Slow("It is ", "5, finally.") if not left else "A draft."

    return answer


def branching(request):
    if request.response_format:
        return '{"rating": 8}'
    return "a thought" if "next thought" in last(request) else Slow(MARK, "It", " is 5.")


def routed(request):
    return '{"agent": "sums"}' if request.response_format else in_turn(ADD, Slow(MARK + "It", " is 5."))(request)


def handing(request):
    if "transfer_to_sums" in {tool.function.name for tool in request.tools or ()}:
        return Spoken("I pass it on.", ("transfer_to_sums", {}))
    return in_turn(ADD, Slow(MARK, "It", " is 5."))(request)


SUMS = Agent(name="sums", description="adds", tools=["add"])
SHOWN = {
    "direct": ({"tools": []}, lambda request: Slow(" \n", "It", " is", " 5. \n"), "It is 5."),
    "direct with tools": ({}, in_turn(Spoken("I add.", ADD), Slow("=== ANS", "WER ===", "\nIt", " is 5.")), "It is 5."),
    "direct, of several calls": (
        {},
        in_turn(ADD, Spoken("Once more.", ("add", {"a": 1, "b": 1})), Slow(MARK, "5 and", " 2.\n\n", "Done.\n")),
        "5 and 2.\n\nDone.",
    ),
    "react": (
        {"strategy": "react"}, in_turn(Spoken("I think.", ADD), Slow("So.\n", MARK + "It", " is 5.")), "It is 5.",
    ),
    "react in words": ({"strategy": "react", "tool_calls": "text"}, in_words, "It is 5.\nObserved."),
    "plan-and-execute": ({"strategy": "plan-and-execute"}, planned, "It is 5. Sung."),
    "plan-and-execute without a plan": (
        {"strategy": "plan-and-execute", "tools": []},
        lambda request: "no" if request.response_format else Slow("It", " is 5."),
        "It is 5.",
    ),
    "the last revision of reflection": (
        {"strategy": "reflection", "rounds": 2, "tools": []}, reviewed("too short", "too long"), "It is 5, finally.",
    ),
    "what tree-of-thoughts concludes": ({"strategy": "tree-of-thoughts", "depth": 1}, branching, "It is 5."),
    "router": ({"strategy": "router", "tools": [], "agents": ["sums"]}, routed, "It is 5."),
    "hand-off": ({"strategy": "hand-off", "tools": [], "agents": ["sums"]}, handing, "It is 5."),
    "guided, where no tool is for it": (
        {"tool_calls": "guided"}, lambda request: Slow("Once", " upon a time."), "Once upon a time.",
    ),
}  # fmt: skip


async def answered(model, settings, *, request="2+3?"):
    agent = Agent(**{"name": "helper", "tools": ["add"]} | settings)
    team = [SUMS] if agent.agents else []
    async with asyncio.timeout(60):
        return await ask(
            agent, request, model=model, tools=World().tools(), team=team, embedder=Words(), on_text=model.hear
        )


@pytest.mark.parametrize("case", SHOWN)
async def test_the_answer_is_shown_while_it_is_written(case):
    settings, script, expected = SHOWN[case]
    model = Speaking(script)
    answer = await answered(model, settings)
    assert answer == expected == "".join(model.told)
    assert len(model.told) > 1


ONE_PIECE = {
    "an answer that nothing marks": ({}, in_turn(Spoken("I add.", ADD), "It is 5.")),
    "a text that keeps to no form": (
        {"tool_calls": "text"},
        lambda request: "It is 5." if "Observation" in last(request) else 'Action: add\nAction Input: {"a": 2, "b": 3}',
    ),
    "reflection that found nothing wrong": ({"strategy": "reflection", "tools": []}, reviewed("", "x")),
    "self-consistency": ({"strategy": "self-consistency", "samples": 2}, lambda request: "Well.\nAnswer: 5"),
    "guided, of a result": (
        {"tool_calls": "guided", "examples": [ToolExample(tool="add", request="2+3?", arguments={"a": 2, "b": 3})]},
        lambda request: '{"a": 2, "b": 3}' if request.response_format else "It is 6.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_PIECE)
async def test_what_is_known_at_the_end_comes_in_one_piece(case):
    settings, script = ONE_PIECE[case]
    model = Speaking(script)
    assert model.told == [] and [await answered(model, settings)] == model.told
    assert "A draft." in model.told or "5" in model.told[0]


async def test_calls_beside_a_marked_answer_are_made_and_what_was_shown_stays():
    script = in_turn(Spoken(f"Thinking.\n{MARK}I shall see.", ADD), Slow(MARK, "It is", " 5."))
    model = Speaking(script)
    assert await answered(model, {}) == "I shall see.\n\nIt is 5." == "".join(model.told)
    world = World()
    team = [SUMS]
    desk = Agent(name="desk", strategy="hand-off", tools=[], agents=["sums"])
    model = Speaking(
        lambda request: in_turn(ADD, "It is 5.")(request) if "transfer_to_sums" not in str(request.tools)
        else Spoken(f"{MARK}One moment.", ("transfer_to_sums", {}))
    )  # fmt: skip
    answer = await ask(desk, "2+3?", model=model, tools=world.tools(), team=team, on_text=model.hear)
    assert answer == "One moment.\n\nIt is 5." == "".join(model.told) and world.done == [("add", 2, 3)]


async def test_a_model_is_told_of_the_mark_where_its_words_may_be_the_answer():
    def marked(model):
        return ["=== ANSWER ===" in str(request.messages[0].text) for request in model.requests]

    model = Speaking(in_turn(ADD, "5"))
    await answered(model, {"instructions": "Be brief."})
    assert marked(model) == [True, True] and model.requests[0].messages[0].text.startswith("Be brief.\n\n")
    model = Speaking(planned)
    await answered(model, {"strategy": "plan-and-execute"})
    assert not any(marked(model))
    model = Speaking(lambda request: "Answer: 5")
    await answered(model, {"strategy": "self-consistency"})
    assert not any(marked(model))
    model = Speaking(in_turn(Spoken("I add.", ADD), "It is 5."))
    assert [await answered(model, {"mark_answer": False})] == model.told == ["It is 5."]
    assert not any(marked(model))

"""Prompts that are too long, against a model that refuses what does not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.agents.memory.turns import window
from guru.config import AliasSettings, ContextSettings, Deployment, Settings
from guru.errors import ContextTooLong
from guru.gateway.context import Context, summarize
from guru.gateway.context.asking import Asker, pieces
from guru.gateway.context.context import nowhere
from guru.gateway.context.mapreduce import replaced, split_question
from guru.gateway.cost import tokens
from guru.gateway.cost.tokens import count_prompt
from guru.types import (
    ChatRequest,
    Completed,
    Delta,
    Finished,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    Started,
    TextPart,
    ToolCall,
    Usage,
)


@pytest.fixture(scope="module", autouse=True)
def vocabulary():
    tokens.load("o200k")


class Model:
    """Holds so many tokens. Answers with what it was asked last, in short."""

    def __init__(self, holds, *, tells=True, name="openai/gpt-4o"):
        self.name = name
        self.holds = holds
        self.context_length = holds if tells else 0
        self.requests = []

    async def chat(self, request):
        self.requests.append(request)
        prompt = count_prompt(self.name, request)
        if prompt + (request.max_tokens or 0) > self.holds:
            raise ContextTooLong(f"{prompt} tokens are too many.")
        yield Started(model=self.name)
        yield Delta(text=f"noted {len(self.requests)}")
        yield Finished("stop")
        yield Completed(model=self.name, usage=Usage(prompt, 2))

    complete = chat


def around(model, policy="error", larger=None, record=nowhere, **more):
    alias = AliasSettings(
        deployments=[Deployment(model=model.name)],
        context=ContextSettings(policy=policy, larger=larger and larger.name, **more),
    )
    return Context(Settings(models={"smart": alias})).model(model, "smart", lambda name: larger, "t", record=record)


async def chat(model, request):
    return [event async for event in model.chat(request)]


def ask(*messages, **more):
    return ChatRequest(
        model="smart",
        messages=[item if isinstance(item, Message) else Message(role=item[0], content=item[1]) for item in messages],
        **more,
    )


LONG = "The quick brown fox jumps over the lazy dog. " * 60
TURNS = [("user", f"Question {n}: {LONG}") if n % 2 == 0 else ("assistant", f"Answer {n}.") for n in range(10)]


async def test_what_fits_goes_through_as_it_is():
    model = Model(4000)
    request = ask(("user", "Hi"))
    events = await chat(around(model, "window"), request)
    assert model.requests == [request]
    assert model.requests[0] is request
    assert events[-1].extra == {}


async def test_the_default_is_an_error_with_numbers():
    model = Model(1000)
    with pytest.raises(
        ContextTooLong, match=r"has [\d,]+ tokens; openai/gpt-4o holds 1,000, and 250 are kept"
    ) as caught:
        await chat(around(model), ask(*TURNS, ("user", "So?")))
    assert "larger" in caught.value.hint
    assert model.requests == []


async def test_what_nearly_fits_is_left_to_the_provider():
    """Room for the answer may be smaller than what we would keep: only the provider knows."""
    model = Model(700)
    events = await chat(around(model), ask(("user", LONG)))
    assert isinstance(events[-1], Completed)


async def test_a_larger_model_comes_first():
    model, larger = Model(1000), Model(100_000, name="openai/gpt-4.1")
    events = await chat(around(model, "window", larger), ask(*TURNS, ("user", "So?")))
    assert (len(model.requests), len(larger.requests)) == (0, 1)
    assert events[-1].extra["guru"]["context"] == {"policy": "larger", "model": "openai/gpt-4.1"}


async def test_the_policy_where_the_larger_model_is_too_small_as_well():
    model, larger = Model(1000), Model(1200, name="openai/gpt-4.1")
    events = await chat(around(model, "window", larger), ask(*TURNS, ("user", "So?")))
    assert len(larger.requests) == 0
    assert events[-1].extra["guru"]["context"]["policy"] == "window"


async def test_a_window_drops_the_oldest_turns_and_says_so():
    model = Model(1400)
    request = ask(("system", "Be brief."), *TURNS, ("user", "So?"))
    events = await chat(around(model, "window"), request)
    sent = model.requests[0].messages
    assert sent[0].content == "Be brief."
    assert sent[-1].content == "So?"
    assert sent[1].role == "user"
    assert events[-1].extra == {"guru": {"context": {"policy": "window", "dropped_messages": 12 - len(sent)}}}
    assert len(request.messages) == 12


async def test_a_question_that_is_too_long_itself_is_an_error():
    with pytest.raises(ContextTooLong):
        await chat(around(Model(300), "window"), ask(("user", LONG)))


@pytest.mark.parametrize("policy", ["window", "summarize", "map-reduce"])
async def test_a_model_whose_size_nobody_knows(policy):
    model = Model(2000, tells=False)
    request = ask(("system", "Be brief."), *TURNS, ("user", "So?"), max_tokens=10)
    events = await chat(around(model, policy), request)
    assert events[-1].extra["guru"]["context"]["policy"] in {policy, "window"}


async def test_a_provider_that_refuses_without_a_policy_is_heard():
    with pytest.raises(ContextTooLong, match="too many"):
        await chat(around(Model(500, tells=False)), ask(*TURNS))


async def test_older_turns_become_a_summary_once():
    model = Model(1400)
    around_it = around(model, "summarize")
    request = ask(("system", "Be brief."), *TURNS, ("user", "So?"))
    events = await chat(around_it, request)
    *_, final = model.requests
    assert final.messages[0].content == "Be brief."
    assert final.messages[1].role == "user"  # what users said is no instruction
    assert "noted" in final.messages[1].text
    assert final.messages[-1].content == "So?"
    note = events[-1].extra["guru"]["context"]
    assert note["policy"] == "summarize"
    assert note["summarized_messages"] + len(final.messages) == 12 + 1
    spent = sum(count_prompt(model.name, sent) for sent in model.requests)
    assert events[-1].usage.prompt_tokens == spent
    asked = len(model.requests)
    assert asked > 1
    await chat(around_it, request)
    assert len(model.requests) == asked + 1


async def test_the_trace_says_what_the_answer_says_of_a_shortened_prompt():
    told = {}
    events = await chat(around(Model(1400), "window", record=told.__setitem__), ask(*TURNS, ("user", "So?")))
    assert told == {"guru.context": events[-1].extra["guru"]["context"]}
    assert told["guru.context"]["dropped_messages"] > 0


async def test_a_summary_is_shown_to_its_own_tenant_alone():
    summaries, told = summarize.Summaries(), []
    for tenant in ("one", "two", "one"):
        model = Model(5000)
        await summaries.of(tenant, [Message(role="user", content="Hi")], Asker(model, ask(("user", "Hi"))), 64, 1000)
        told.append(len(model.requests))
    assert told == [1, 1, 0]


async def test_a_summary_names_what_it_cannot_show():
    model = Model(1400)
    picture = [TextPart("What is this? " + LONG), ImagePart(ImageUrl("data:image/png;base64,AAAA"))]
    shown = Message(role="user", content=picture)
    await chat(around(model, "summarize"), ask(shown, ("assistant", "A mill."), *TURNS[:2], ("user", "So?")))
    assert "(shows an image)" in "".join(message.text for sent in model.requests[:-1] for message in sent.messages)


async def test_summaries_stay_small(monkeypatch):
    summaries = summarize.Summaries()
    monkeypatch.setattr(summarize, "LARGEST", 30)
    for number in range(9):
        asker = Asker(Model(5000), ask(("user", "Hi")))
        found = await summaries.of("t", [Message(role="user", content=str(number))], asker, 64, 1000)
        assert "noted" in found.text
    assert len(summaries._kept) == 4  # of 7 characters each


class RefusesOnce(Model):
    """Counts more tokens than we do, as small models with vocabularies of their own may: not the first prompt."""

    async def chat(self, request):
        if not self.requests:
            self.requests.append(request)
            raise ContextTooLong("more than it holds")
        async for event in super().chat(request):
            yield event


@pytest.mark.parametrize("policy", ["window", "summarize"])
async def test_what_was_counted_too_low_is_made_shorter_again(policy):
    model = RefusesOnce(1400, name="local/small")
    events = await chat(around(model, policy), ask(("system", "Be brief."), *TURNS, ("user", "So?")))
    assert events[-1].extra["guru"]["context"]["policy"] == policy
    first, *_, final = model.requests
    assert count_prompt(model.name, final) <= count_prompt(model.name, first)
    assert final.messages[0].content == "Be brief."
    assert final.messages[-1].content == "So?"


async def test_a_model_that_refuses_everything_is_heard_in_the_end():
    class Never(Model):
        async def chat(self, request):
            self.requests.append(request)
            raise ContextTooLong("never")
            yield

    model = Never(1400)
    with pytest.raises(ContextTooLong, match="never"):
        await chat(around(model, "window"), ask(*TURNS, ("user", "So?")))
    assert len(model.requests) <= 4


async def test_a_long_text_is_read_in_parts():
    model = Model(1000)
    text = "\n\n".join(f"Paragraph {n}. {LONG[:400]}" for n in range(30))
    events = await chat(around(model, "map-reduce"), ask(("user", f"Who wins?\n\n{text}\n\nAnswer in a word.")))
    *reads, final = model.requests
    assert len(reads) == events[-1].extra["guru"]["context"]["parts"] > 5
    assert all("Who wins?" in read.messages[1].text for read in reads)
    assert final.messages[0].text.startswith("Who wins?\n\n[Notes on part 1 of")
    assert final.messages[0].text.endswith("Answer in a word.")
    for n in range(30):
        assert sum(f"Paragraph {n}." in read.messages[1].text for read in reads) == 1


async def test_of_several_parts_the_longest_is_the_text():
    model = Model(1000)
    content = [TextPart(LONG * 4), TextPart("Who wins?")]
    await chat(around(model, "map-reduce"), ask(("user", content)))
    *reads, final = model.requests
    assert all("Who wins?" in read.messages[1].text for read in reads)
    assert final.messages[0].content[1].text == "Who wins?"


async def test_an_error_in_the_middle_stays_one():
    class Broken(Model):
        async def chat(self, request):
            yield Delta(text="a")
            raise ContextTooLong("in the middle")

    with pytest.raises(ContextTooLong, match="middle"):
        await chat(around(Broken(1000, tells=False), "window"), ask(*TURNS, ("user", "So?")))


# --------------------------------------------------------------------------- properties


@st.composite
def conversations(draw):
    """Turns with rounds of tools, as providers want them; instructions in front and between."""
    messages = []
    words = st.text("ab ", max_size=30)
    if draw(st.booleans()):
        messages.append(Message(role="system", content=draw(words)))
    for turn in range(draw(st.integers(1, 6))):
        if turn and draw(st.integers(0, 5)) == 0:
            messages.append(Message(role="developer", content=draw(words)))
        messages.append(Message(role="user", content=draw(words)))
        for number in range(draw(st.integers(0, 3))):
            ids = [f"{turn}-{number}-{n}" for n in range(draw(st.integers(1, 2)))]
            calls = [ToolCall(id=name, function=FunctionCall("f", "{}")) for name in ids]
            messages.append(Message(role="assistant", tool_calls=calls))
            messages += [Message(role="tool", tool_call_id=name, content=draw(words)) for name in ids]
        if draw(st.booleans()):
            messages.append(Message(role="assistant", content=draw(words)))
    return messages


def size(message):
    return len(message.text) + 1


@given(conversations(), st.integers(0, 400))
def test_a_window_fits_keeps_order_and_breaks_no_pair(messages, room):
    fitted = window(messages, room, size)
    if fitted is None:
        return
    assert sum(map(size, fitted.kept)) <= room
    places = [next(n for n, other in enumerate(messages) if other is message) for message in fitted.kept]
    assert places == sorted(places)
    assert len(fitted.kept) + len(fitted.dropped) == len(messages)
    assert not any(message.role in ("system", "developer") for message in fitted.dropped)
    last_user = max(n for n, message in enumerate(messages) if message.role == "user")
    assert last_user in places
    assert places[-1] == len(messages) - 1
    called = {call.id for message in fitted.kept for call in message.tool_calls or ()}
    answered = {message.tool_call_id for message in fitted.kept if message.role == "tool"}
    assert called == answered
    spoken = [message for message in fitted.kept if message.role not in ("system", "developer")]
    assert spoken[0].role == "user"


@given(conversations())
def test_a_window_leaves_alone_what_fits(messages):
    fitted = window(messages, sum(map(size, messages)), size)
    assert fitted is not None
    assert fitted.kept == messages


@given(st.text(max_size=600), st.integers(4, 60))
def test_pieces_are_the_text_and_fit(text, room):
    parts = pieces("openai/gpt-4o", text, room)
    assert "".join(parts) == text
    encoding = tokens.load("o200k")
    assert all(encoding.count(part) <= room or len(part) == 1 for part in parts)


@given(st.lists(st.text("ab .", min_size=1, max_size=3000).map(str.strip).filter(bool), min_size=1, max_size=5))
def test_a_text_and_its_request_are_what_there_was(paragraphs):
    whole = "\n\n".join(paragraphs)
    question, text = split_question(whole)
    assert text in whole
    message = replaced(Message(role="user", content=whole), text, "NOTES")
    assert message.text == whole.replace(text, "NOTES", 1)
    assert all(part in whole for part in question.split("\n\n"))

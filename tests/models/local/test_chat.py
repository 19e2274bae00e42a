"""A real small model answers: streaming, limits, constraints, tools, log-probabilities, cancellation."""

import asyncio
import json

import pytest
import pytest_asyncio

from guru.errors import BadRequest, ContextTooLong, InvalidParameter
from guru.models.local.chat import LocalChatModel
from guru.types import (
    ChatRequest,
    Completed,
    Delta,
    Finished,
    FunctionDefinition,
    ImagePart,
    ImageUrl,
    Message,
    TextPart,
    TextRequest,
    Tool,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEATHER = Tool(
    FunctionDefinition(
        "get_weather",
        "Weather of a city",
        {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"$ref": "#/$defs/unit"}},
            "required": ["city", "unit"],
            "$defs": {"unit": {"enum": ["celsius", "fahrenheit"]}},
        },
    )
)
CLOCK = Tool(FunctionDefinition("get_time", "Time in a city", {"type": "object", "properties": {}}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(smollm):
    model = LocalChatModel("local/smollm2-135m", smollm, slots=2, context_length=2048)
    yield model
    await model.aclose()


def ask(content="Say hello.", **fields):
    return ChatRequest(model="m", messages=[Message("user", content)], **({"max_tokens": 16} | fields))


async def collect(events):
    return [event async for event in events]


def text_of(events, index=0):
    return "".join(event.text for event in events if isinstance(event, Delta) and event.index == index)


async def test_an_answer_streams_and_ends_with_usage_and_timings(model):
    events = await collect(model.chat(ask(max_tokens=8, temperature=0, extra={"ignore_eos": True})))
    *deltas, finished, completed = events
    assert len(deltas) > 4
    assert all(isinstance(event, Delta) for event in deltas)
    assert finished == Finished("length", 0)
    assert isinstance(completed, Completed)
    assert completed.model == "local/smollm2-135m"
    assert completed.usage.completion_tokens == 8
    assert completed.usage.prompt_tokens > 10
    assert 0 <= completed.timings["queue"] <= completed.timings["first_token"] <= completed.timings["total"]
    assert completed.timings["tokens_per_second"] > 0


async def test_the_same_seed_gives_the_same_answer(model):
    first = await collect(model.chat(ask("Invent a name.", seed=7, temperature=1.0)))
    second = await collect(model.chat(ask("Invent a name.", seed=7, temperature=1.0)))
    assert text_of(first) == text_of(second) != ""


async def test_a_repeated_prompt_comes_from_the_cache(model):
    request = ask("List the days of the week, in order, one on each line.", temperature=0)
    await collect(model.chat(request))
    again = await collect(model.chat(request))
    assert again[-1].usage.cached_tokens > 20


async def test_stop_ends_the_answer_before_the_word(model):
    request = TextRequest(model="m", prompt="1 2 3 4 5 6", stop=[" 9"], max_tokens=32, temperature=0)
    events = await collect(model.complete(request))
    assert " 9" not in text_of(events)
    assert events[-2] == Finished("stop", 0)


async def test_more_choices_than_slots_are_all_answered(model):
    events = await collect(model.chat(ask(n=5, max_tokens=3, extra={"ignore_eos": True})))
    assert {event.index for event in events if isinstance(event, Finished)} == {0, 1, 2, 3, 4}
    assert events[-1].usage.completion_tokens == 15


async def test_a_biased_token_is_never_chosen(model):
    plain = await collect(model.complete(TextRequest(model="m", prompt="2 + 2 =", temperature=0, max_tokens=1)))
    assert text_of(plain)
    banned = TextRequest(
        model="m", prompt="2 + 2 =", temperature=0, max_tokens=1, logit_bias={str(token): -100 for token in range(1000)}
    )
    assert text_of(await collect(model.complete(banned))) != text_of(plain)


async def test_logprobs_carry_as_many_alternatives_as_asked(model):
    events = await collect(model.chat(ask(logprobs=True, top_logprobs=3, max_tokens=4, extra={"ignore_eos": True})))
    entries = [entry for event in events if isinstance(event, Delta) for entry in event.logprobs]
    assert len(entries) >= 1  # a character of several tokens is one entry
    assert all(len(entry.top_logprobs) == 3 and entry.logprob <= 0 for entry in entries)
    bare = await collect(model.chat(ask(logprobs=True, max_tokens=2)))
    assert all(not entry.top_logprobs for event in bare if isinstance(event, Delta) for entry in event.logprobs)


async def test_a_character_of_several_tokens_is_never_streamed_in_parts(model):
    prompt = "😀🎉日本語 😀🎉日本語 😀🎉日本語 😀🎉"
    request = TextRequest(model="m", prompt=prompt, max_tokens=24, temperature=0, logprobs=True, top_logprobs=2)
    deltas = [event for event in await collect(model.complete(request)) if isinstance(event, Delta)]
    assert any(ord(character) > 0x3000 for delta in deltas for character in delta.text)
    assert all("\ufffd" not in delta.text for delta in deltas)
    tokens = [top.token for delta in deltas for entry in delta.logprobs or [] for top in [entry, *entry.top_logprobs]]
    assert all("\ufffd" not in token for token in tokens)


async def test_a_json_schema_holds(model):
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}, "number": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["colour", "number"],
        "additionalProperties": False,
    }
    response_format = {"type": "json_schema", "json_schema": {"name": "pick", "schema": schema}}
    events = await collect(model.chat(ask("Pick.", response_format=response_format, max_tokens=60)))
    answer = json.loads(text_of(events))
    assert answer["colour"] in ("red", "blue")
    assert 1 <= answer["number"] <= 9


async def test_json_mode_answers_with_an_object(model):
    request = ask('Answer {"ok": true}', response_format={"type": "json_object"}, max_tokens=40, temperature=0)
    events = await collect(model.chat(request))
    assert text_of(events).startswith("{")
    if events[-2].reason == "stop":
        assert isinstance(json.loads(text_of(events)), dict)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
async def test_a_required_tool_call_is_made_and_fits_its_schema(model, choice):
    tools = [WEATHER] if choice == "required" else [CLOCK, WEATHER]
    events = await collect(model.chat(ask("Weather in Paris?", tools=tools, tool_choice=choice, max_tokens=80)))
    parts = [part for event in events if isinstance(event, Delta) for part in event.tool_calls]
    assert [(part.id[:5], part.name) for part in parts if part.id] == [("call_", "get_weather")]
    arguments = json.loads("".join(part.arguments for part in parts))
    assert set(arguments) == {"city", "unit"}
    assert arguments["unit"] in ("celsius", "fahrenheit")
    assert text_of(events) == ""
    assert events[-2] == Finished("tool_calls", 0)


async def test_with_a_free_choice_the_answer_is_text_or_a_call(model):
    events = await collect(model.chat(ask("Hello!", tools=[WEATHER], max_tokens=40)))
    calls = [part for event in events if isinstance(event, Delta) for part in event.tool_calls]
    assert bool(text_of(events)) != bool(calls)


async def test_a_conversation_with_tool_results_goes_on(model):
    request = ask("Weather in Paris?", max_tokens=12)
    request.messages += [Message("assistant", "Let me look."), Message("tool", "18 degrees", tool_call_id="call_1")]
    assert text_of(await collect(model.chat(request)))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"extra": {"grammar": "root ::= ("}}, "grammar"),
        ({"extra": {"grammar": "%llguidance {}\nstart: ((("}}, "grammar"),
        ({"extra": {"thinking_budget": 3}}, "thinking_budget"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}},
            "response_format",
        ),
        ({"tools": [Tool(FunctionDefinition("f", "", {"type": "nonsense"}))]}, "tools"),
        ({"tools": [WEATHER], "response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": []}, "messages"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(model, fields, param):
    with pytest.raises(InvalidParameter) as caught:
        await collect(model.chat(ChatRequest(**({"model": "m", "messages": [Message("user", "Hi")]} | fields))))
    assert caught.value.param == param


async def test_a_grammar_of_the_callers_own_holds(model):
    events = await collect(model.chat(ask("Yes or no?", extra={"grammar": 'root ::= "yes" | "no"'})))
    assert text_of(events) in ("yes", "no")


async def test_parts_of_text_are_joined_and_images_refused(model):
    parts = [TextPart("Say "), TextPart("hello.")]
    assert text_of(await collect(model.chat(ask(parts))))
    with pytest.raises(BadRequest, match="reads text only") as caught:
        await collect(model.chat(ask([TextPart("What is this?"), ImagePart(ImageUrl("data:image/png;base64,AA=="))])))
    assert caught.value.param == "messages[0].content[1]"


async def test_a_prompt_longer_than_the_context_is_refused_with_the_numbers(model):
    with pytest.raises(ContextTooLong, match=r"30\d\d tokens.*at most 2039"):
        await collect(model.chat(ask("hello " * 3000)))


async def test_an_echo_comes_before_the_continuation(model):
    request = TextRequest(model="m", prompt="The capital of France is", echo=True, n=2, max_tokens=2)
    events = await collect(model.complete(request))
    assert all(text_of(events, index).startswith("The capital of France is") for index in (0, 1))


async def test_tokens_can_be_the_prompt(model):
    events = await collect(model.complete(TextRequest(model="m", prompt=[504, 3575, 282], max_tokens=3)))
    assert events[-1].usage.prompt_tokens == 3


async def test_more_requests_than_the_context_holds_wait_and_are_all_answered(smollm):
    model = LocalChatModel("local/m", smollm, slots=4, context_length=512)
    requests = [ask(f"{i} " + "word " * 100, max_tokens=60, extra={"ignore_eos": True}) for i in range(4)]
    try:
        answers = await asyncio.gather(*(collect(model.chat(request)) for request in requests))
    finally:
        await model.aclose()
    assert [answer[-1].usage.completion_tokens for answer in answers] == [60] * 4


async def test_closing_the_stream_frees_the_slot(model):
    endless = ask("Count.", max_tokens=1500, extra={"ignore_eos": True})
    streams = [model.chat(endless) for _ in range(2)]
    for stream in streams:
        await anext(stream)
        await stream.aclose()
    async with asyncio.timeout(20):
        assert text_of(await collect(model.chat(ask(max_tokens=4))))


async def test_cancelling_a_request_that_waits_takes_it_out_of_the_queue(model):
    endless = ask("Count.", max_tokens=1500, extra={"ignore_eos": True})
    running = model.chat(endless)
    await anext(running)
    waiting = asyncio.create_task(collect(model.chat(endless)))
    await asyncio.sleep(0.2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await running.aclose()
    async with asyncio.timeout(20):
        assert text_of(await collect(model.chat(ask(max_tokens=4))))

"""OpenAI's Responses API: the official client against a real server, whose model follows a script."""

import openai
import pydantic
import pytest

from guru.errors import ModelError
from guru.gateway.identity import Caller
from guru.types import Completed, Delta, Finished, ToolCallDelta, Usage
from scripted import parse_events, say

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def call_weather(*pieces, id="call_1"):
    return [
        Delta(tool_calls=[ToolCallDelta(0, id, "weather", "")]),
        *(Delta(tool_calls=[ToolCallDelta(0, arguments=piece)]) for piece in pieces),
        Finished("tool_calls"),
        Completed(model="test/scripted", usage=Usage(9, 5)),
    ]


def think(*texts, block=None, then="42"):
    blocks = [Delta(thinking_block=block)] if block else []
    return [*(Delta(reasoning=text) for text in texts), *blocks, *say(then)]


async def raw_events(server, **body):
    async with server.session.post(f"{server.url}/v1/responses", json={"model": "default", **body}) as response:
        assert response.status == 200, await response.text()
        return parse_events(await response.text())


async def test_an_answer_has_its_text_and_usage(server):
    answer = await server.openai.responses.create(model="default", input="Hi", instructions="Be kind.")
    assert answer.output_text == "Hello there."
    assert (answer.status, answer.model, answer.error) == ("completed", "test/scripted", None)
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (7, 1, 8)
    (request,) = server.model.requests
    assert [(m.role, m.content) for m in request.messages] == [("system", "Be kind."), ("user", "Hi")]


async def test_every_parameter_reaches_the_model(server):
    await server.openai.responses.create(
        model="default", input="Hi", temperature=0.5, top_p=0.9, max_output_tokens=5, user="anna",
        metadata={"a": "b"}, reasoning={"effort": "low"}, text={"verbosity": "low"}, parallel_tool_calls=False,
        service_tier="flex", extra_body={"min_p": 0.25},
    )  # fmt: skip
    (request,) = server.model.requests
    assert (request.temperature, request.top_p, request.max_tokens, request.user) == (0.5, 0.9, 5, "anna")
    assert (request.metadata, request.reasoning_effort, request.parallel_tool_calls) == ({"a": "b"}, "low", False)
    assert request.extra == {"verbosity": "low", "service_tier": "flex", "min_p": 0.25}


async def test_the_stream_has_the_documented_events_in_order(server):
    server.model.script = say("One ", "two.")
    events = [data for _, data in await raw_events(server, input="Hi", stream=True)]
    assert [event["type"] for event in events] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.delta", "response.output_text.done",
        "response.content_part.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[6]["text"] == "One two."
    assert events[-1]["response"]["output"][0] == events[-2]["item"]


async def test_the_stream_helper_gives_the_final_response(server):
    server.model.script = say("One ", "two.")
    async with server.openai.responses.stream(model="default", input="Hi") as stream:
        texts = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert (texts, final.output_text) == (["One ", "two."], "One two.")
    assert final.usage.output_tokens == 2


async def test_a_schema_is_carried_and_parsed(server):
    class Person(pydantic.BaseModel):
        name: str
        age: int

    server.model.script = say('{"name": "Ada", ', '"age": 36}')
    answer = await server.openai.responses.parse(model="default", input="Who?", text_format=Person)
    assert answer.output_parsed == Person(name="Ada", age=36)
    (request,) = server.model.requests
    assert request.response_format["type"] == "json_schema"
    assert request.response_format["json_schema"]["schema"]["required"] == ["name", "age"]
    assert request.response_format["json_schema"]["strict"] is True


async def test_tools_make_the_round_trip(server):
    server.model.script = call_weather('{"city": ', '"Bern"}')
    ask = [{"role": "user", "content": "Weather in Bern?"}]
    first = await server.openai.responses.create(model="default", input=ask, tools=[WEATHER], tool_choice="required")
    (call,) = first.output
    assert (call.type, call.call_id, call.name) == ("function_call", "call_1", "weather")
    assert call.arguments == '{"city": "Bern"}'
    server.model.script = say("Sunny.")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sun"}
    again = [*ask, call.model_dump(exclude_none=True), output]
    second = await server.openai.responses.create(model="default", input=again, tools=[WEATHER])
    assert second.output_text == "Sunny."
    _, assistant, tool = server.model.requests[1].messages
    assert (assistant.tool_calls[0].id, assistant.tool_calls[0].function.arguments) == ("call_1", '{"city": "Bern"}')
    assert (tool.role, tool.tool_call_id, tool.content) == ("tool", "call_1", "sun")


async def test_parallel_calls_that_come_interleaved_stay_apart(server):
    server.model.script = [
        Delta(text="Both."),
        Delta(tool_calls=[ToolCallDelta(0, "a", "weather", '{"city"'), ToolCallDelta(1, "b", "weather", '{"city"')]),
        Delta(tool_calls=[ToolCallDelta(1, arguments=': "Rome"}'), ToolCallDelta(0, arguments=': "Bern"}')]),
        Finished("tool_calls"),
        Completed(model="test/scripted", usage=Usage(9, 5)),
    ]
    async with server.openai.responses.stream(model="default", input="?", tools=[WEATHER]) as stream:
        final = await stream.get_final_response()
    shown = [(item.type, getattr(item, "arguments", None)) for item in final.output]
    assert shown == [
        ("message", None),
        ("function_call", '{"city": "Bern"}'),
        ("function_call", '{"city": "Rome"}'),
    ]
    assert [item.call_id for item in final.output[1:]] == ["a", "b"]


async def test_a_conversation_goes_on_from_a_kept_answer(server):
    first = await server.openai.responses.create(model="default", input="My name is Ada.", instructions="Be brief.")
    second = await server.openai.responses.create(model="default", input="Who am I?", previous_response_id=first.id)
    third = await server.openai.responses.create(model="default", input="Sure?", previous_response_id=second.id)
    assert third.previous_response_id == second.id
    said = [(m.role, m.content) for m in server.model.requests[2].messages]
    assert said == [
        ("user", "My name is Ada."), ("assistant", "Hello there."), ("user", "Who am I?"),
        ("assistant", "Hello there."), ("user", "Sure?"),
    ]  # fmt: skip
    items = [item async for item in server.openai.responses.input_items.list(third.id, order="asc", limit=2)]
    assert [item.content[0].text for item in items] == [content for _, content in said]


async def test_answers_are_retrieved_and_deleted(server):
    made = await server.openai.responses.create(model="default", input="Hi", metadata={"case": "1"})
    found = await server.openai.responses.retrieve(made.id)
    assert (found.output_text, found.metadata, found.usage) == (made.output_text, made.metadata, made.usage)
    await server.openai.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await server.openai.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        await server.openai.responses.create(model="default", input="Hi", previous_response_id=made.id)


async def test_an_answer_that_is_not_to_be_kept_is_not(server):
    made = await server.openai.responses.create(model="default", input="Hi", store=False)
    with pytest.raises(openai.NotFoundError):
        await server.openai.responses.retrieve(made.id)


async def test_an_answer_of_another_tenant_is_not_there(server):
    made = await server.openai.responses.create(model="default", input="Hi")
    with pytest.raises(Exception, match="no response"):
        await server.services.responses.get(Caller(tenant="somebody else", route="", trace_id=""), made.id)


async def test_only_what_runs_in_the_background_can_be_cancelled(server):
    made = await server.openai.responses.create(model="default", input="Hi")
    with pytest.raises(openai.BadRequestError, match="background"):
        await server.openai.responses.cancel(made.id)


async def test_reasoning_is_shown_as_it_is_or_as_a_summary(server):
    server.model.script = think("Let me ", "see.")
    events = [data for _, data in await raw_events(server, input="?", stream=True)]
    assert [e["delta"] for e in events if e["type"] == "response.reasoning_text.delta"] == ["Let me ", "see."]
    answer = await server.openai.responses.create(model="default", input="?", reasoning={"summary": "auto"})
    assert answer.output[0].summary[0].text == "Let me see."
    assert answer.output_text == "42"


async def test_signed_thinking_goes_back_to_the_model(server):
    block = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}
    server.model.script = think("Hm.", block=block)
    kept = await server.openai.responses.create(model="default", input="?")
    assert kept.output[0].encrypted_content is None
    await server.openai.responses.create(model="default", input="More", previous_response_id=kept.id)
    assert server.model.requests[1].messages[1].thinking_blocks == [block]
    loose = await server.openai.responses.create(
        model="default", input="?", store=False, include=["reasoning.encrypted_content"]
    )
    again = [{"role": "user", "content": "?"}, *(item.model_dump(exclude_none=True) for item in loose.output)]
    await server.openai.responses.create(model="default", input=[*again, {"role": "user", "content": "More"}])
    said = server.model.requests[3].messages[1]
    assert (said.content, said.reasoning_content, said.thinking_blocks) == ("42", "Hm.", [block])


async def test_images_and_files_reach_the_model(server):
    content = [
        {"type": "input_text", "text": "See:"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
    ]
    await server.openai.responses.create(model="default", input=[{"role": "user", "content": content}])
    _, image, file = server.model.requests[0].messages[0].content
    assert (image.image_url.url, image.image_url.detail) == ("data:image/png;base64,AA==", "low")
    assert file.file == {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}


async def test_an_answer_cut_by_its_length_is_incomplete(server):
    server.model.script = say("Once upon", reason="length")
    answer = await server.openai.responses.create(model="default", input="?", max_output_tokens=2)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.output[0].status == "incomplete"
    events = [data["type"] for _, data in await raw_events(server, input="?", stream=True)]
    assert events[-1] == "response.incomplete"


async def test_a_failure_in_the_stream_ends_it_as_failed(server):
    server.model.script = [Delta(text="Once"), ModelError("The model fell over.")]
    events = [data for _, data in await raw_events(server, input="?", stream=True)]
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    failed = events[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")
    assert "fell over" in failed["error"]["message"]
    kept = await server.openai.responses.retrieve(failed["id"])
    assert (kept.status, kept.output_text) == ("failed", "Once")


async def test_a_failure_before_the_first_token_is_a_status(server):
    server.model.script = [ModelError("No.")]
    with pytest.raises(openai.InternalServerError) as caught:
        await server.openai.responses.create(model="default", input="?", stream=True)
    assert caught.value.status_code == 502


async def test_refusals_are_parts_of_their_own(server):
    server.model.script = [Delta(refusal="I will "), Delta(refusal="not."), *say()]
    answer = await server.openai.responses.create(model="default", input="?")
    assert (answer.output[0].content[0].type, answer.output[0].content[0].refusal) == ("refusal", "I will not.")


async def test_allowed_tools_are_the_ones_the_model_sees(server):
    other = {**WEATHER, "name": "time"}
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "time"}]}
    await server.openai.responses.create(model="default", input="?", tools=[WEATHER, other], tool_choice=allowed)
    (request,) = server.model.requests
    assert ([tool.function.name for tool in request.tools], request.tool_choice) == (["time"], "auto")


async def test_tools_of_a_provider_are_handed_on_in_their_own_shape(server):
    tool = {"type": "web_search", "search_context_size": "low"}
    await server.openai.responses.create(model="default", input="?", tools=[tool])
    (native,) = server.model.requests[0].native_tools
    assert (native.format, native.tool) == ("responses", tool)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "?", "background": True}, "background"),
        ({"input": "?", "truncation": "auto"}, "truncation"),
        ({"input": "?", "conversation": "conv_1"}, "conversation"),
        ({"input": "?", "include": ["file_search_call.results"]}, "include"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": "a", "mood": "glad"}]}, "input[0].mood"),
        ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}]}, "input[0].encrypted_content"),
        ({"input": "?", "tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
        ({"input": "?", "text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"instructions": "Only these."}, "input"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(server, body, param):
    status, answer = await server.post("/v1/responses", {"model": "default", **body})
    assert (status, answer["error"]["param"]) == (400, param)
    assert server.model.requests == []


async def test_a_grounded_answer_cites_its_files(server):
    status, _ = await server.post("/api/v1/collections", {"name": "house"})
    assert status == 201
    status, answer = await server.post(
        "/v1/responses", {"model": "default", "input": "?", "guru": {"collection": "house"}}
    )
    assert (status, answer["guru"]["outcome"]) == (200, "declined")

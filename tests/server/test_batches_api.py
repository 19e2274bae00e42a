"""OpenAI's batches: the official client against a real server, whose model follows a script."""

import asyncio
import json

import openai
import pytest

from guru.config import BatchSettings, Settings
from guru.errors import ModelError, ModelUnavailable
from guru.store.scope import Scope
from scripted import run_server, say

ENDED = ("completed", "failed", "expired", "cancelled")


def chat_line(number, **body):
    asked = {"model": "default", "messages": [{"role": "user", "content": f"Question {number}"}], **body}
    return {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/chat/completions", "body": asked}


async def submit(server, lines, endpoint="/v1/chat/completions", **more):
    content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    file = await server.openai.files.create(file=("in.jsonl", content), purpose="batch")
    return await server.openai.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more)


async def ended(server, batch, *statuses):
    for _ in range(600):
        batch = await server.openai.batches.retrieve(batch.id)
        if batch.status in (statuses or ENDED):
            return batch
        await asyncio.sleep(0.02)
    raise AssertionError(batch)


async def results(server, file_id):
    content = (await server.openai.files.content(file_id)).content
    return [json.loads(line) for line in content.splitlines()]


async def test_every_line_is_answered_in_order(server):
    batch = await submit(server, [chat_line(number) for number in range(20)], metadata={"job": "nightly"})
    assert batch.status == "validating"
    batch = await ended(server, batch)
    assert (batch.status, batch.metadata, batch.error_file_id) == ("completed", {"job": "nightly"}, None)
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (20, 20, 0)
    found = await results(server, batch.output_file_id)
    assert [line["custom_id"] for line in found] == [f"line-{number}" for number in range(20)]
    body = found[0]["response"]["body"]
    assert (found[0]["response"]["status_code"], found[0]["error"]) == (200, None)
    assert body["choices"][0]["message"]["content"] == "Hello there."
    asked = sorted(request.messages[0].content for request in server.model.requests)
    assert asked == sorted(f"Question {number}" for number in range(20))


async def test_every_line_is_a_trace_of_its_own(server):
    batch = await ended(server, await submit(server, [chat_line(0), chat_line(1)]))
    ids = {line["response"]["request_id"] for line in await results(server, batch.output_file_id)}
    assert len(ids) == 2
    for trace_id in ids:
        status, trace = await server.get(f"/api/v1/traces/{trace_id}")
        assert (status, trace["route"]) == (200, "chat.completions")


async def test_wrong_lines_are_told_apart_and_the_others_run(server):
    lines = [
        chat_line(0),
        b"{not json",
        chat_line(0),
        {**chat_line(3), "method": "GET"},
        {**chat_line(4), "url": "/v1/embeddings"},
        {**chat_line(5), "custom_id": None},
        chat_line(6, stream=True),
        chat_line(7, model="nobody"),
        b"",
        chat_line(8),
    ]
    batch = await ended(server, await submit(server, lines))
    assert batch.status == "completed"
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (9, 2, 7)
    wrong = await results(server, batch.error_file_id)
    codes = [(line["error"] or line["response"]["body"]["error"])["code"] for line in wrong]
    assert codes == [
        "invalid_json_line", "duplicate_custom_id", "invalid_method", "invalid_url", "missing_required_parameter",
        "invalid_parameter", "model_not_found",
    ]  # fmt: skip
    assert [line["error"]["line"] for line in wrong if line["error"]] == [2, 3, 4, 5, 6, 7]
    assert [line["custom_id"] for line in await results(server, batch.output_file_id)] == ["line-0", "line-8"]


@pytest.mark.parametrize(("lines", "code"), [([], "empty_file"), ([b"{", b"}"], "invalid_json_line")])
async def test_a_file_without_a_right_line_fails(server, lines, code):
    batch = await ended(server, await submit(server, lines))
    assert (batch.status, batch.errors.data[0].code) == ("failed", code)
    assert batch.output_file_id is None


async def test_too_many_lines_fail(tmp_path):
    async with run_server(tmp_path, Settings(batches=BatchSettings(max_lines=2))) as server:
        batch = await ended(server, await submit(server, [chat_line(number) for number in range(3)]))
        assert (batch.status, batch.errors.data[0].code) == ("failed", "too_many_tasks")
        assert server.model.requests == []


@pytest.mark.parametrize(
    ("endpoint", "body", "seen"),
    [
        ("/v1/completions", {"model": "default", "prompt": "Once"}, "choices"),
        ("/v1/embeddings", {"model": "embedding", "input": "a text"}, "data"),
        ("/v1/responses", {"model": "default", "input": "Hi", "store": False}, "output"),
        (
            "/v1/messages",
            {"model": "default", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
            "content",
        ),
    ],
)
async def test_a_batch_can_be_of_other_endpoints(server, endpoint, body, seen):
    line = {"custom_id": "a", "method": "POST", "url": endpoint, "body": body}
    batch = await ended(server, await submit(server, [line], endpoint))
    assert batch.request_counts.completed == 1
    (found,) = await results(server, batch.output_file_id)
    assert found["response"]["body"][seen]


async def test_a_cancelled_batch_gives_what_it_has(tmp_path):
    async with run_server(tmp_path, Settings(batches=BatchSettings(concurrency=2))) as server:
        server.model.script = [0.2, *say("Done.")]
        batch = await submit(server, [chat_line(number) for number in range(50)])
        for _ in range(500):
            batch = await server.openai.batches.retrieve(batch.id)
            if batch.request_counts.completed:
                break
            await asyncio.sleep(0.02)
        batch = await server.openai.batches.cancel(batch.id)
        assert batch.status in ("cancelling", "cancelled")
        batch = await ended(server, batch)
        assert batch.status == "cancelled"
        answered, unasked = await results(server, batch.output_file_id), await results(server, batch.error_file_id)
        assert len(answered) == batch.request_counts.completed < 50
        assert len(answered) + len(unasked) == 50
        assert {line["error"]["code"] for line in unasked} == {"batch_cancelled"}
        with pytest.raises(openai.ConflictError):
            await server.openai.batches.cancel(batch.id)


async def test_no_more_lines_run_at_a_time_than_allowed(tmp_path):
    async with run_server(tmp_path, Settings(batches=BatchSettings(concurrency=3))) as server:
        at_once, most = 0, 0
        respond = server.model.chat

        async def counting(request):
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            try:
                async for event in respond(request):
                    yield event
            finally:
                at_once -= 1

        server.model.chat = counting
        server.model.script = [0.02, *say("Done.")]
        await ended(server, await submit(server, [chat_line(number) for number in range(12)]))
        assert most == 3


async def test_a_line_that_met_a_model_that_was_away_is_asked_again(server):
    server.services.batches.runner._pause = 0.01
    tries = 0

    async def flaky(request):
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ModelUnavailable("Loading.", retry_after=0.01)
        for event in say("At last."):
            yield event

    server.model.chat = flaky
    batch = await ended(server, await submit(server, [chat_line(0)]))
    assert (batch.request_counts.completed, tries >= 3) == (1, True)


async def test_a_line_whose_model_fails_is_an_error_of_its_own(server):
    server.model.script = [ModelError("The model fell over.")]
    batch = await ended(server, await submit(server, [chat_line(0)]))
    assert (batch.status, batch.request_counts.failed) == ("completed", 1)
    (line,) = await results(server, batch.error_file_id)
    assert line["response"]["status_code"] == 502


async def test_batches_are_listed_in_pages(server):
    made = [await submit(server, [chat_line(0)]) for _ in range(3)]
    listed = [batch.id async for batch in server.openai.batches.list(limit=2)]
    assert listed == [batch.id for batch in reversed(made)]


async def test_what_cannot_be_a_batch_is_refused(server):
    with pytest.raises(openai.NotFoundError):
        await server.openai.batches.create(
            input_file_id="file_1", endpoint="/v1/chat/completions", completion_window="24h"
        )
    file = await server.openai.files.create(file=("a", b"x"), purpose="user_data")
    ask = {"input_file_id": file.id, "endpoint": "/v1/chat/completions"}
    with pytest.raises(openai.BadRequestError, match="purpose"):
        await server.openai.batches.create(**ask, completion_window="24h")
    with pytest.raises(openai.BadRequestError, match="completion_window"):
        await server.openai.batches.create(**ask, completion_window="1s")
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        await server.openai.batches.create(**{**ask, "endpoint": "/v1/audio"}, completion_window="24h")


async def test_the_input_of_a_running_batch_stays(server):
    server.model.script = [60, *say("Done.")]
    batch = await submit(server, [chat_line(0)])
    with pytest.raises(openai.BadRequestError, match="still reads"):
        await server.openai.files.delete(batch.input_file_id)
    await server.openai.batches.cancel(batch.id)
    await ended(server, batch)
    await server.openai.files.delete(batch.input_file_id)


async def test_a_batch_that_was_never_queued_can_be_cancelled(server, monkeypatch):
    """The process died between the two steps: nobody runs it, and its file could not be deleted for ever."""

    async def dies(*_, **__):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(server.services.batches._jobs, "submit", dies)
        with pytest.raises(openai.APIError):
            await submit(server, [chat_line(0)])
    (batch,) = (await server.openai.batches.list()).data
    assert batch.status == "validating"
    assert (await server.openai.batches.cancel(batch.id)).status == "cancelled"
    await server.openai.files.delete(batch.input_file_id)


async def test_the_batch_of_another_tenant_is_not_there(server):
    batch = await submit(server, [chat_line(0)])
    with pytest.raises(Exception, match="no batch"):
        await server.services.batches.get(Scope("somebody else"), batch.id)

"""The providers' own batches, as each documents them: handed in, found again, looked at, fetched, cancelled.

OpenAI: https://platform.openai.com/docs/api-reference/batch. Azure:
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch. Together: https://docs.together.ai/reference/batch-create.
Mistral: https://docs.mistral.ai/api/endpoint/batch. Anthropic:
https://platform.claude.com/docs/en/api/creating-message-batches. Gemini: https://ai.google.dev/api/batch-api.
"""

import json
from urllib.parse import urlsplit

import pytest

from guru.config import ProviderSettings
from guru.errors import BadRequest, GuruError, InvalidParameter, ModelError, ModelUnavailable
from guru.models import providers
from guru.models.http import HttpClient
from guru.models.providers.batch_api import HandIn
from guru.types import Usage
from models.providers.replay import Reply, answer, replaying

KEY = "sk-the-key-of-the-test-0123456789"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
BODY = {"model": "acme/m", "messages": [{"role": "user", "content": "Hi\nthere"}], "max_tokens": 9, "stop": ["END"]}
SINCE = 1_763_000_000.0
COMPLETION = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello 🦊"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9},
}  # fmt: skip
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_sequence": None,
    "content": [{"type": "text", "text": "Hello 🦊"}], "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 4, "cache_read_input_tokens": 7},
}  # fmt: skip
GENERATED = {
    "candidates": [{"content": {"parts": [{"text": "Hello 🦊"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 4, "totalTokenCount": 9},
}  # fmt: skip


@pytest.fixture
async def server():
    async with replaying() as server:
        yield server


@pytest.fixture
async def http():
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture
def make(server, http):
    def batches(kind, path="/v1", **settings):
        fields = {"kind": kind, "api_key": KEY, "base_url": server.url + path, **settings}
        return providers.create("acme", ProviderSettings(**fields), http).batches()

    return batches


def handed(**fields):
    return HandIn(**{"mark": "batch_ours", "endpoint": CHAT, "model": "m", "total": 2, "since": SINCE, **fields})


def asked(server):
    return [f"{sent.method} {sent.path}" for sent in server.requests]


def jsonl(*values):
    """A file, in pieces that split its characters."""
    body = "\n".join(json.dumps(value, ensure_ascii=False) for value in values).encode()
    return Reply(body, media_type="application/octet-stream", split=7)


async def results(api, id="b1", endpoint=CHAT):
    return {line: api.answer(endpoint, "acme/m", raw) async for line, raw in api.results(id)}


def said(answer):
    return answer.body["choices"][0]["message"]["content"]


# --------------------------------------------------------------------------- OpenAI and those who copied it

OPENAI_FILE = {"id": "file-1", "object": "file", "purpose": "batch", "status": "processed"}
OPENAI_BATCH = {"id": "b1", "object": "batch", "status": "validating", "input_file_id": "file-1", "created_at": 1}


@pytest.mark.parametrize(
    ("kind", "path", "settings", "files", "batches", "endpoint", "line"),
    [
        ("openai", "/v1", {}, "/v1/files", "/v1/batches", CHAT, {"method": "POST", "url": CHAT}),
        ("groq", "/openai/v1", {}, "/openai/v1/files", "/openai/v1/batches", CHAT, {"method": "POST", "url": CHAT}),
        ("azure", "", {}, "/openai/v1/files", "/openai/v1/batches", CHAT, {"method": "POST", "url": CHAT}),
        (
            "azure", "", {"api_version": "2024-10-21"}, "/openai/files?api-version=2024-10-21",
            "/openai/batches?api-version=2024-10-21", "/chat/completions",
            {"method": "POST", "url": "/chat/completions"},
        ),
        ("together", "/v1", {}, "/v1/files/upload", "/v1/batches", CHAT, {}),
    ],
)  # fmt: skip
async def test_a_file_is_uploaded_and_a_batch_is_made_of_it(
    make, server, kind, path, settings, files, batches, endpoint, line
):
    api = make(kind, path, **settings)
    text = json.loads(api.line(CHAT, "batch_ours-0", "m", BODY))
    body = text.pop("body")
    assert text == {"custom_id": "batch_ours-0", **line}
    assert (body["model"], body["messages"], body["stop"]) == ("m", BODY["messages"], ["END"])
    created = {"job": OPENAI_BATCH} if kind == "together" else OPENAI_BATCH
    ready = [answer(OPENAI_FILE)] if kind == "azure" else []
    server.say(answer(OPENAI_FILE), *ready, answer(created))
    assert await api.upload(handed(), b"{}\n") == "file-1"
    form = server.last
    assert (form.method, form.path) == ("POST", files)
    assert form.headers["content-type"].startswith("multipart/form-data")
    purpose = b"batch-api" if kind == "together" else b"batch"
    assert b'name="purpose"\r\n\r\n' + purpose + b"\r\n" in form.body and b'filename="batch_ours.jsonl"' in form.body
    assert await api.start(handed(file="file-1"), b"{}\n") == "b1"
    assert (server.last.method, server.last.path) == ("POST", batches)
    assert server.last.json == {"input_file_id": "file-1", "endpoint": endpoint, "completion_window": "24h"}


@pytest.mark.parametrize("kind", ["openai", "groq", "azure", "together"])
async def test_answers_and_failures_are_fetched(make, server, kind):
    api = make(kind)
    ended = {**OPENAI_BATCH, "status": "completed", "output_file_id": "file-2", "error_file_id": "file-3"}
    if kind == "together":
        ended["status"] = "COMPLETED"
    server.say(answer(ended))
    assert (await api.status("b1")).state == "completed"
    good = {"status_code": 200, "request_id": "req_1", "body": COMPLETION}
    bad = {"status_code": 400, "body": {"error": {"message": "Too hot.", "type": "invalid_request_error"}}}
    server.say(
        answer(ended), jsonl({"id": "1", "custom_id": "x-0", "response": good, "error": None}),
        jsonl(
            {"custom_id": "x-1", "response": bad, "error": None},
            {"custom_id": "x-2", "response": None, "error": {"code": "batch_expired", "message": "Too late."}},
        ),
    )  # fmt: skip
    found = await results(api)
    assert (said(found["x-0"]), found["x-0"].usage) == ("Hello 🦊", Usage(5, 4))
    assert found["x-0"].body["model"] == "acme/m"
    assert found["x-1"].status == 400 and "Too hot." in found["x-1"].body["error"]["message"]
    assert found["x-2"].error == {"code": "batch_expired", "message": "Too late."}
    server.say(answer({**OPENAI_BATCH, "status": "cancelling"}))
    await api.cancel("b1")
    assert urlsplit(server.last.path).path.endswith("/batches/b1/cancel")


async def test_a_batch_is_found_by_its_file_on_a_later_page(make, server):
    api = make("openai")
    others = [{"id": f"o{n}", "input_file_id": f"other-{n}", "created_at": SINCE + 100 - n} for n in range(2)]
    mine = {"id": "b7", "input_file_id": "file-1", "created_at": SINCE}
    server.say(answer({"data": others, "has_more": True}), answer({"data": [mine], "has_more": False}))
    assert await api.find(handed(file="file-1")) == "b7"
    assert asked(server) == ["GET /v1/batches?limit=100", "GET /v1/batches?limit=100&after=o1"]


async def test_what_is_older_than_ours_is_not_looked_through(make, server):
    api = make("openai")
    server.say(answer({"data": [{"id": "o", "input_file_id": "x", "created_at": SINCE - 90_000}], "has_more": True}))
    assert await api.find(handed(file="file-1")) is None
    assert len(server.requests) == 1


async def test_together_lists_its_batches_bare(make, server):
    api = make("together")
    server.say(answer([{"id": "b7", "input_file_id": "file-1", "created_at": "2026-11-22T07:00:00Z"}]))
    assert await api.find(handed(file="file-1")) == "b7"
    server.say(answer([]))
    assert await api.find(handed(file="file-1")) is None


async def test_azure_waits_for_its_file_and_says_what_is_wrong_with_it(make, server, monkeypatch):
    api = make("azure", "")
    monkeypatch.setattr(type(api), "PAUSE", 0.0)
    pending, wrong = {**OPENAI_FILE, "status": "pending"}, {**OPENAI_FILE, "status": "error", "status_details": "bad"}
    server.say(answer(pending), answer(pending), answer(OPENAI_FILE), answer(OPENAI_BATCH))
    assert await api.start(handed(file="file-1"), b"") == "b1"
    assert len(server.requests) == 4
    server.say(answer(wrong))
    with pytest.raises(ModelError, match="bad"):
        await api.start(handed(file="file-1"), b"")


async def test_openai_gives_embeddings_and_responses_as_they_are(make):
    api = make("openai")
    line = json.loads(api.line("/v1/embeddings", "x-0", "e", {"model": "acme/e", "input": ["a"]}))
    assert (line["url"], line["body"]) == ("/v1/embeddings", {"model": "e", "input": ["a"]})
    vectors = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": 1}}
    found = api.answer("/v1/embeddings", "acme/e", {"response": {"status_code": 200, "body": vectors}})
    assert (found.body, found.usage) == (vectors, None)


@pytest.mark.parametrize("kind", ["openai", "mistral", "anthropic", "gemini", "together"])
def test_what_only_we_can_do_is_not_handed_in(make, kind):
    api = make(kind)
    for more in ({"guru": {"collection": "c"}}, {"previous_response_id": "resp_1"}):
        with pytest.raises(InvalidParameter):
            api.line(CHAT, "x-0", "m", BODY | more)


@pytest.mark.parametrize("kind", ["openai", "mistral", "anthropic", "gemini", "together", "azure", "groq"])
def test_a_parameter_that_the_provider_has_not_is_refused(make, kind):
    with pytest.raises(BadRequest):
        make(kind).line(CHAT, "x-0", "m", BODY | {"typical_p": 0.5})


# --------------------------------------------------------------------------- Mistral

MISTRAL_JOB = {
    "id": "j1", "object": "batch", "input_files": ["file-1"], "endpoint": CHAT, "model": "m", "errors": [],
    "status": "SUCCESS", "created_at": 1, "total_requests": 2, "completed_requests": 2, "succeeded_requests": 1,
    "failed_requests": 1, "output_file": "file-2", "error_file": "file-3",
}  # fmt: skip


async def test_mistral_runs_a_job(make, server):
    api = make("mistral")
    line = json.loads(api.line(CHAT, "x-0", "m", BODY | {"seed": 3}))
    assert line["custom_id"] == "x-0" and "model" not in line["body"] and line["body"]["random_seed"] == 3
    server.say(answer({"id": "file-1"}), answer({**MISTRAL_JOB, "status": "QUEUED"}))
    assert await api.upload(handed(), b"{}\n") == "file-1"
    assert await api.start(handed(file="file-1"), b"") == "j1"
    assert asked(server) == ["POST /v1/files", "POST /v1/batch/jobs"]
    assert server.last.json == {"input_files": ["file-1"], "model": "m", "endpoint": CHAT, "timeout_hours": 24}
    for status, state in {
        "QUEUED": "running", "RUNNING": "running", "CANCELLATION_REQUESTED": "running", "SUCCESS": "completed",
        "FAILED": "failed", "TIMEOUT_EXCEEDED": "expired", "CANCELLED": "cancelled", "NEWER": "running",
    }.items():  # fmt: skip
        server.say(answer({**MISTRAL_JOB, "status": status, "errors": [{"message": "Why.", "count": 1}]}))
        seen = await api.status("j1")
        assert (seen.state, seen.error) == (state, "Why.")
    good = {"id": "1", "custom_id": "x-0", "response": {"status_code": 200, "body": COMPLETION}, "error": None}
    bad = {"custom_id": "x-1", "response": {"status_code": 422, "body": {"message": "No."}}, "error": None}
    server.say(answer(MISTRAL_JOB), jsonl(good), jsonl(bad))
    found = await results(api)
    assert (said(found["x-0"]), found["x-1"].status) == ("Hello 🦊", 422)
    server.say(answer({"data": [MISTRAL_JOB], "total": 1}))
    assert await api.find(handed(file="file-1")) == "j1"
    assert await api.find(handed(file="file-9")) is None
    server.say(answer(MISTRAL_JOB))
    await api.cancel("j1")
    assert server.last.path == "/v1/batch/jobs/j1/cancel"


# --------------------------------------------------------------------------- Anthropic


def message_batch(status="ended", **fields):
    counts = {"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0}
    return {
        "id": "msgbatch_1", "type": "message_batch", "processing_status": status, "request_counts": counts,
        "created_at": "2026-11-22T07:00:00Z", "results_url": "https://elsewhere.example/results" if status == "ended"
        else None, "cancel_initiated_at": None, **fields,
    }  # fmt: skip


async def test_anthropic_takes_the_lines_themselves(make, server):
    api = make("anthropic")
    lines = [api.line(CHAT, f"x-{n}", "claude-x", BODY) for n in range(2)]
    assert json.loads(lines[0])["params"]["stop_sequences"] == ["END"]
    server.say(answer(message_batch("in_progress")))
    assert await api.upload(handed(), b"") == ""
    assert await api.start(handed(), b"\n".join(lines) + b"\n") == "msgbatch_1"
    assert asked(server) == ["POST /v1/messages/batches"]
    assert [each["custom_id"] for each in server.last.json["requests"]] == ["x-0", "x-1"]
    assert server.last.json["requests"][1]["params"]["max_tokens"] == 9
    assert server.last.headers["x-api-key"] == KEY


async def test_anthropic_gives_its_results(make, server):
    api = make("anthropic")
    for fields, state in (
        ({"status": "in_progress"}, "running"), ({"status": "canceling"}, "running"), ({}, "completed"),
        ({"cancel_initiated_at": "2026-11-22T07:01:00Z"}, "cancelled"),
    ):  # fmt: skip
        server.say(answer(message_batch(**fields)))
        assert (await api.status("msgbatch_1")).state == state
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}, "request_id": "req_1"}
    lines = jsonl(
        {"custom_id": "x-0", "result": {"type": "succeeded", "message": MESSAGE}},
        {"custom_id": "x-1", "result": {"type": "errored", "error": error}},
        {"custom_id": "x-2", "result": {"type": "canceled"}},
        {"custom_id": "x-3", "result": {"type": "expired"}},
        {"custom_id": "x-4", "result": None},
    )
    server.say(answer(message_batch()), lines)
    found = await results(api, "msgbatch_1")
    assert server.last.path == "/v1/messages/batches/msgbatch_1/results"  # and our key went nowhere else
    assert (said(found["x-0"]), found["x-0"].usage) == ("Hello 🦊", Usage(12, 4, cached_tokens=7))
    assert found["x-1"].status >= 500 and "Busy." in found["x-1"].body["error"]["message"]
    codes = [found[f"x-{number}"].error["code"] for number in (2, 3, 4)]
    assert codes == ["batch_cancelled", "batch_expired", "not_answered"]
    server.say(answer(message_batch()), lines)
    found = await results(api, "msgbatch_1", MESSAGES)
    assert found["x-0"].body["content"] == [{"type": "text", "text": "Hello 🦊"}]
    assert found["x-1"].body["type"] == "error"


async def test_anthropic_s_batch_is_known_by_its_lines(make, server):
    api = make("anthropic")
    listed = answer({"data": [message_batch(id="msgbatch_7")], "has_more": False, "last_id": "msgbatch_7"})
    ours = jsonl({"custom_id": "batch_ours-1", "result": {"type": "expired"}})
    server.say(listed, answer(message_batch()), ours)
    assert await api.find(handed()) == "msgbatch_7"
    server.say(listed, answer(message_batch()), jsonl({"custom_id": "batch_theirs-1", "result": {"type": "expired"}}))
    assert await api.find(handed()) is None
    server.say(answer({"data": [message_batch("in_progress")], "has_more": False}))
    with pytest.raises(ModelUnavailable):  # it may be ours: nothing is handed in until that is known
        await api.find(handed())
    assert await api.find(handed(total=3)) is None


# --------------------------------------------------------------------------- Gemini


def operation(state="BATCH_STATE_SUCCEEDED", done=True, **fields):
    name = "batches/123"
    made = {"@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch", "name": name,
            "model": "models/m", "displayName": "batch_ours", "inputConfig": {"fileName": "files/in"}, "state": state,
            "batchStats": {"requestCount": "2", "pendingRequestCount": "2"}}  # fmt: skip
    return {"name": name, "metadata": made, **({"done": True} if done else {}), **fields}


async def test_gemini_uploads_and_runs(make, server):
    api = make("gemini", "/v1beta")
    line = json.loads(api.line(CHAT, "x-0", "m", BODY))
    assert (line["key"], line["request"]["generationConfig"]["stopSequences"]) == ("x-0", ["END"])
    url = f"{server.url}/upload/v1beta/files?upload_id=1"
    server.say(
        Reply(b"", headers={"x-goog-upload-url": url}), answer({"file": {"name": "files/in", "state": "ACTIVE"}}),
        answer(operation("BATCH_STATE_PENDING", done=False)),
    )  # fmt: skip
    assert await api.upload(handed(), b"{}\n") == "files/in"
    first, second = server.requests
    assert (first.path, first.headers["x-goog-upload-command"]) == ("/upload/v1beta/files", "start")
    assert first.headers["x-goog-upload-header-content-length"] == "3"
    assert (second.path, second.headers["x-goog-upload-command"]) == (
        "/upload/v1beta/files?upload_id=1", "upload, finalize",
    )  # fmt: skip
    assert second.body == b"{}\n"
    assert await api.start(handed(file="files/in"), b"") == "batches/123"
    assert server.last.path == "/v1beta/models/m:batchGenerateContent"
    assert server.last.json == {
        "batch": {"display_name": "batch_ours", "input_config": {"file_name": "files/in"}}
    }  # fmt: skip


async def test_gemini_s_key_is_sent_to_no_other_address(make, server):
    api = make("gemini", "/v1beta")
    server.say(Reply(b"", headers={"x-goog-upload-url": "https://elsewhere.example/upload"}))
    with pytest.raises(ModelError):
        await api.upload(handed(), b"{}\n")


async def test_gemini_gives_its_results(make, server):
    api = make("gemini", "/v1beta")
    for state, done, seen in (
        ("BATCH_STATE_PENDING", False, "running"), ("JOB_STATE_RUNNING", False, "running"),
        ("BATCH_STATE_SUCCEEDED", True, "completed"), ("BATCH_STATE_FAILED", True, "failed"),
        ("BATCH_STATE_CANCELLED", True, "cancelled"), ("BATCH_STATE_EXPIRED", True, "expired"),
    ):  # fmt: skip
        server.say(answer(operation(state, done)))
        assert (await api.status("batches/123")).state == seen
    output = {"response": {"responsesFile": "files/batch-out"}}
    lines = jsonl(
        {"key": "x-0", "response": GENERATED},
        {"key": "x-1", "error": {"code": 3, "message": "Not so.", "status": "INVALID_ARGUMENT"}},
        {"key": "x-2", "response": {"promptFeedback": {"blockReason": "SAFETY"}}},
    )
    server.say(answer(operation(**output)), lines)
    found = await results(api, "batches/123")
    assert server.last.path == "/download/v1beta/files/batch-out:download?alt=media"
    assert (said(found["x-0"]), found["x-0"].usage) == ("Hello 🦊", Usage(5, 4))
    assert found["x-1"].status == 400 and "Not so." in found["x-1"].body["error"]["message"]
    assert (found["x-2"].status, found["x-2"].body["error"]["code"]) == (400, "content_filter")
    server.say(answer({"operations": [operation()], "nextPageToken": "t"}))
    assert await api.find(handed()) == "batches/123"
    server.say(answer({}))
    assert await api.find(handed(mark="other")) is None
    await api.cancel("batches/123")
    assert server.last.path == "/v1beta/batches/123:cancel"


def test_vertex_has_no_such_batches(make):
    assert make("gemini", "/v1/projects/p/locations/l/publishers/google") is None


# --------------------------------------------------------------------------- garbage

KINDS = ("openai", "groq", "azure", "together", "mistral", "anthropic", "gemini")
GARBAGE = [
    b"",
    b"[]",
    b"null",
    b"<html>",
    b'"x"',
    b'{"data": 5}',
    b'{"id": 7}',
    b'{"error": {"message": "x"}}',
    b"[" * 5000,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_is_an_error_of_ours(make, server, kind, body):
    api = make(kind)
    server.say(Reply(body))
    for call in (api.upload(handed(), b"{}\n"), api.start(handed(file="f"), b"{}\n"), api.status("b1"), results(api)):
        if kind == "anthropic" and call.__name__ == "upload":
            call.close()
            continue
        with pytest.raises(GuruError):
            await call
    try:
        assert await api.find(handed(file="file-1")) is None
    except GuruError:
        pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "raw",
    [
        {}, {"response": None}, {"response": {"status_code": "x", "body": 5}}, {"response": {"body": None}},
        {"result": {"type": "succeeded", "message": None}}, {"result": {"type": "errored", "error": 5}},
        {"response": {"candidates": 5}}, {"error": "no"}, {"error": {"code": "x", "message": None}},
        {"response": {"status_code": 10**30, "body": {}}}, {"result": 5, "response": 5, "error": 5},
    ],
)  # fmt: skip
@pytest.mark.parametrize("endpoint", [CHAT, MESSAGES])
def test_a_line_of_garbage_is_an_answer_that_says_so(make, kind, raw, endpoint):
    found = make(kind).answer(endpoint, "acme/m", raw)
    assert found.error or found.status >= 400
    json.dumps([found.error, found.body])


async def test_a_file_that_ends_in_the_middle_is_an_error(make, server):
    api = make("openai")
    server.say(answer({**OPENAI_BATCH, "output_file_id": "f"}), Reply(b'{"custom_id": "x-0", "resp'))
    with pytest.raises(ModelError):
        await results(api)

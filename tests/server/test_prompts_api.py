"""Prompts over HTTP, and requests that begin with one at every door."""

import json

import pytest

from guru.config import ServerSettings, Settings
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key
from guru.types import Completed, Delta, Finished, Usage
from scripted import run_server, say

PATH = "/api/v1/prompts"
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
SUPPORT = {
    "messages": [
        {"role": "system", "content": "You serve {{ town }}."},
        {"role": "user", "content": "Question: {{ question }}"},
    ],
    "variables": {"question": {}, "town": {"default": "Oslo"}},
    "sampling": {"temperature": 0.25, "max_tokens": 50},
    "output_schema": SCHEMA,
}
FILLED = [("system", "You serve Oslo."), ("user", "Question: {{ why }}?")]
GURU = {"prompt": "support@prod", "variables": {"question": "{{ why }}?"}}


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home") as server:
        yield server


@pytest.fixture
async def support(server):
    """A server with the prompt `support`, of which `prod` is the first version."""
    await save(server, "support", SUPPORT)
    await server.post(f"{PATH}/support/labels/prod", {"version": 1})
    await save(server, "support", SUPPORT | {"description": "Newer"})
    return server


async def save(server, name, definition, **more):
    status, saved = await server.post(f"{PATH}/{name}/versions", {"definition": definition} | more)
    assert status == 201, saved
    return saved


def sent(server):
    """The messages of the last call of the model."""
    return [(message.role, message.text) for message in server.model.requests[-1].messages]


DOORS = {
    "/v1/chat/completions": {"model": "default", "messages": []},
    "/v1/messages": {"model": "default", "messages": [], "max_tokens": 9},
    "/api/chat": {"model": "default", "messages": []},
    "/api/generate": {"model": "default", "prompt": ""},
    "/v1/responses": {"model": "default"},
}


@pytest.mark.parametrize("stream", [False, True])
async def test_every_door_with_gurus_own_member_begins_with_the_prompt(support, stream):
    for path, body in DOORS.items():
        await begins_with_the_prompt(support, path, body | {"stream": stream, "guru": GURU})


async def begins_with_the_prompt(support, path, body):
    async with support.session.post(support.url + path, json=body) as response:
        text = await response.text()
        assert response.status == 200, text
        assert response.headers["x-guru-prompt"] == "support@1"
        trace_id = response.headers["x-guru-trace-id"]
    assert "Hello there." in text
    assert sent(support) == FILLED
    request = support.model.requests[-1]
    assert request.response_format["json_schema"]["schema"] == SCHEMA
    assert (request.temperature, request.max_tokens) == (0.25, 9 if path == "/v1/messages" else 50)
    _, trace = await support.get(f"/api/v1/traces/{trace_id}")
    said = {"gen_ai.prompt.name": "support", "guru.prompt.version": 1, "guru.prompt.label": "prod"}
    assert said.items() <= trace["attributes"].items()
    assert [span["name"] for span in trace["spans"]][1] == "prompt"
    assert trace["tags"] == ["prompt:support@1"]


WRONG = [
    ({"prompt": "support@prod"}, 400, "needs `question`"),
    ({"prompt": "support", "variables": {"qestion": "x"}}, 400, "Did you mean `question`"),
    ({"prompt": "support", "variables": {"question": 3}}, 400, "must be a string"),
    ({"prompt": "other"}, 404, "no prompt 'other'"),
    ({"prompt": "support@9"}, 404, "no version 9"),
    ({"prompt": "support@beta"}, 404, "no label 'beta'"),
    ({"prompt": "No Name"}, 400, "cannot name a prompt"),
    ({"variables": {"question": "x"}}, 400, "missing"),
]


@pytest.mark.parametrize("path", DOORS)
async def test_what_is_wrong_is_said_in_the_words_of_the_door(support, path):
    for guru, status, said in WRONG:
        for stream in (False, True):
            found, body = await support.post(path, DOORS[path] | {"guru": guru, "stream": stream})
            assert (found, said in json.dumps(body)) == (status, True), body
            if path == "/v1/messages":
                kind = "invalid_request_error" if status == 400 else "not_found_error"
                assert (body["type"], body["error"]["type"]) == ("error", kind)
            elif path.startswith("/v1"):
                assert body["error"]["param"].startswith("guru")
                assert body["error"]["type"] == "invalid_request_error"
            else:
                assert isinstance(body["error"], str)
    assert support.model.requests == []


async def test_the_prompts_messages_come_first_and_what_the_request_says_goes_before_hints(support):
    own = {"type": "json_object"}
    body = {"model": "default", "messages": [{"role": "user", "content": "In short."}], "temperature": 1.0}
    status, answer = await support.post("/v1/chat/completions", body | {"guru": GURU, "response_format": own})
    assert (status, sent(support)) == (200, [*FILLED, ("user", "In short.")])
    request = support.model.requests[-1]
    assert (request.temperature, request.max_tokens, request.response_format) == (1.0, 50, own)
    assert answer["guru"]["prompt"] == {"name": "support", "version": 1, "label": "prod"}


async def test_openais_clients_name_a_prompt_in_their_own_way(support):
    body = {"model": "default", "input": "In short."}
    for prompt in (
        {"id": "support", "version": "prod", "variables": {"question": "{{ why }}?"}},
        {"id": "support@prod", "variables": {"question": {"type": "input_text", "text": "{{ why }}?"}}},
    ):
        status, answer = await support.post("/v1/responses", body | {"prompt": prompt})
        assert (status, sent(support)) == (200, [*FILLED, ("user", "In short.")]), answer
    status, answer = await support.post("/v1/responses", body | {"prompt": {"id": "support"}, "guru": GURU})
    assert (status, answer["error"]["param"]) == (400, "prompt")


async def test_gurus_own_chat_takes_the_model_that_the_prompt_is_meant_for(support):
    await save(support, "meant", SUPPORT | {"model": "test/scripted"})
    body = {"prompt": "meant", "variables": {"question": "{{ why }}?"}}
    status, answer = await support.post("/api/v1/chat", body)
    assert (status, answer["text"], sent(support)) == (200, "Hello there.", FILLED)
    assert answer["prompt"] == {"name": "meant", "version": 1, "label": None}
    assert support.model.requests[-1].model == "test/scripted"
    status, answer = await support.post("/api/v1/chat", body | {"model": "nowhere", "message": "And?"})
    assert (status, answer["error"]["param"]) == (404, "model")
    status, answer = await support.post("/api/v1/chat", {"message": ""})
    assert status == 400
    events = await support.events("/api/v1/chat", body | {"stream": True})
    assert [name for name, _ in events] == ["started", "delta", "finished", "completed", "done"]


async def test_tokens_are_counted_with_the_prompt(support):
    body = DOORS["/v1/messages"] | {"messages": [{"role": "user", "content": "Hi"}]}
    del body["max_tokens"]
    _, plain = await support.post("/v1/messages/count_tokens", body)
    _, more = await support.post("/v1/messages/count_tokens", body | {"guru": GURU})
    assert more["input_tokens"] > plain["input_tokens"] + 5


async def test_a_version_has_answers_of_its_own_in_the_cache(tmp_path):
    settings = Settings()
    settings.cache.mode = "exact"
    async with run_server(tmp_path / "home", settings) as server:
        for notes in ("first", "second"):
            await save(server, "cached", SUPPORT | {"description": notes})
        found = []
        for reference in ("cached@1", "cached@1", "cached@2", "cached"):
            body = DOORS["/v1/chat/completions"] | {"guru": {"prompt": reference, "variables": {"question": "?"}}}
            async with server.session.post(server.url + "/v1/chat/completions", json=body) as response:
                found.append(response.headers["x-guru-cache"])
        assert found == ["miss", "exact", "miss", "exact"]


async def test_versions_are_counted_apart(support):
    await support.post("/v1/chat/completions", DOORS["/v1/chat/completions"] | {"guru": GURU})
    newer = GURU | {"prompt": "support"}
    await support.post("/v1/chat/completions", DOORS["/v1/chat/completions"] | {"guru": newer})
    _, metrics = await support.get("/metrics")
    for version in (1, 2):
        assert f'guru_prompt_requests_total{{prompt="support@{version}",status="ok"}} 1' in metrics.decode()
    await support.services.tracer.flush()
    _, usage = await support.get("/api/v1/usage?group_by=tag")
    assert {row["tag"]: row["requests"] for row in usage["rows"] if row["tag"]} == {
        "prompt:support@1": 1, "prompt:support@2": 1,
    }  # fmt: skip


VOTING = {
    "messages": [{"role": "user", "content": "{{ question }}"}],
    "variables": {"question": {}},
    "chain_of_thought": True,
    "self_consistency": {"samples": 3},
}


class Opinions:
    """A model whose every answer is the next of a list."""

    name, context_length = "test/scripted", 4096

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    async def chat(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield Delta(text=answer)
        yield Finished("stop")
        yield Completed(model=self.name, usage=Usage(prompt_tokens=10, completion_tokens=2))


@pytest.mark.parametrize("stream", [False, True])
async def test_several_answers_vote(server, stream):
    await save(server, "sum", VOTING)
    server.models.model = Opinions("Hm.\nAnswer: 7", "Answer: 8", "So:\nAnswer: 8.")
    body = {"model": "default", "messages": [], "seed": 5, "guru": {"prompt": "sum", "variables": {"question": "?"}}}
    if stream:
        events = await server.events("/v1/chat/completions", body | {"stream": True})
        text = "".join(
            choice["delta"].get("content") or "" for _, data in events[:-1] for choice in data.get("choices", [])
        )
        told = next(data["guru"] for _, data in reversed(events[:-1]) if "guru" in data)
    else:
        _, answer = await server.post("/v1/chat/completions", body)
        text, told = answer["choices"][0]["message"]["content"], answer["guru"]
        assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (30, 6)
        assert len(answer["choices"]) == 1
    assert text == "Answer: 8"
    assert told["prompt"] == {"name": "sum", "version": 1, "label": None, "votes": 2, "samples": 3}
    asked = server.models.model.requests
    assert sorted(request.seed for request in asked) == [5, 6, 7]
    assert {request.temperature for request in asked} == {0.7}
    assert all("step by step" in request.messages[0].text for request in asked)
    _, trace = await server.get(f"/api/v1/traces/{told['trace_id']}")
    assert (trace["attributes"]["guru.prompt.votes"], len(trace["calls"])) == ({"votes": 2, "samples": 3}, 3)


async def test_a_vote_fails_with_its_sample_and_refuses_what_cannot_be_voted_on(server):
    await save(server, "sum", VOTING)
    guru = {"prompt": "sum", "variables": {"question": "?"}}
    body = {"model": "default", "messages": [], "guru": guru}
    tool = {"type": "function", "function": {"name": "f"}}
    for more, param in (({"n": 2}, "n"), ({"tools": [tool]}, "tools")):
        status, answer = await server.post("/v1/chat/completions", body | more)
        assert (status, answer["error"]["param"]) == (400, param)
    server.models.model = Opinions("Answer: 1", ValueError("broken"), "Answer: 1", *["Answer: 1"] * 9)
    status, _ = await server.post("/v1/chat/completions", body)
    assert status >= 500


async def test_a_prompt_is_kept_compared_labelled_and_rolled_back(support):
    _, listed = await support.get(PATH)
    assert [(one["name"], one["latest"], one["labels"]) for one in listed["prompts"]] == [("support", 2, {"prod": 1})]
    _, shown = await support.get(f"{PATH}/support")
    assert [one["version"] for one in shown["versions"]] == [2, 1]
    assert [(one["before"], one["after"]) for one in shown["moves"]] == [(None, 1)]
    assert shown["protected"] == ["prod"]
    _, version = await support.get(f"{PATH}/support/versions/prod")
    assert (version["version"], version["labels"], version["definition"]) == (1, ["prod"], SUPPORT)
    _, diff = await support.get(f"{PATH}/support/diff?before=prod")
    assert [(one["place"], one["kind"]) for one in diff["differences"]] == [("description", "added")]
    assert diff["text"].startswith("--- support@1\n+++ support@2\n")
    await support.post(f"{PATH}/support/labels/prod", {"version": 2})
    _, back = await support.post(f"{PATH}/support/labels/prod/rollback")
    assert back["labels"] == {"prod": 1}
    _, log = await support.get("/api/v1/audit?action=prompts")
    assert [entry["action"] for entry in log["entries"]] == [
        "prompts.rollback", "prompts.label", "prompts.save", "prompts.label", "prompts.save",
    ]  # fmt: skip
    assert (await support.get("/api/v1/audit/verify"))[1]["ok"]
    status, _ = await support.request("DELETE", f"{PATH}/support/labels/prod")
    assert (status, (await support.get(f"{PATH}/support"))[1]["labels"]) == (200, {})
    assert (await support.request("DELETE", f"{PATH}/support"))[0] == 204
    assert (await support.get(f"{PATH}/support"))[0] == 404


async def test_a_prompt_is_rendered_without_a_model_and_exported(support):
    _status, made = await support.post(f"{PATH}/support/render", {"version": "prod", "variables": GURU["variables"]})
    assert [(one["role"], one["content"]) for one in made["prompt"]["messages"]] == FILLED
    assert made["request"]["temperature"] == 0.25
    assert support.model.requests == []
    _, toml = await support.get(f"{PATH}/support/export?format=toml&version=1")
    assert b"[[messages]]" in toml
    _, exported = await support.get(f"{PATH}/support/export")
    assert (exported["labels"], next(one["definition"] for one in exported["versions"])) == ({"prod": 1}, SUPPORT)


NO_VERSIONS = [
    ("No Name", {"definition": SUPPORT}, 400, "name"),
    ("x", {"definition": {}}, 400, "definition.messages"),
    ("x", {"definition": {"messages": []}}, 400, "definition.messages"),
    ("x", {"definition": SUPPORT | {"messages": [{"role": "user", "content": "{{ a }}"}]}}, 400, "messages[0].content"),
    ("x", {"definition": SUPPORT, "expect": 3}, 409, "expect"),
    ("x", {"definition": SUPPORT | {"unknown": 1}}, 400, "definition.unknown"),
    ("x", {"definition": SUPPORT | {"sampling": {"temperature": 9}}}, 400, "definition.sampling.temperature"),
]


async def test_what_is_no_version_is_not_kept(server):
    for name, body, status, param in NO_VERSIONS:
        found, answer = await server.post(f"{PATH}/{name}/versions", body)
        assert (found, answer["error"]["param"]) == (status, param), answer
    assert (await server.get(PATH))[1]["prompts"] == []


async def test_members_edit_and_administrators_move_protected_labels(tmp_path):
    async with run_server(tmp_path / "home", Settings(server=ServerSettings(require_key=True))) as server:
        boss = Caller(tenant="local", route="", trace_id="", role="admin")
        headers = {}
        for role in ("admin", "member", "viewer"):
            key = Key(id="", tenant="local", name=role, hash=b"", role=role)
            _, secret = await server.services.changes.create_key(boss, key)
            headers[role] = {"authorization": f"Bearer {secret}"}
        found = {}
        for role in ("viewer", "member", "admin"):
            found[role] = [
                (await server.post(f"{PATH}/p/{path}", body, headers=headers[role]))[0]
                for path, body in (
                    ("versions", {"definition": SUPPORT}),
                    ("labels/staging", {"version": 1}),
                    ("labels/prod", {"version": 1}),
                    ("labels/prod/rollback", {}),
                    ("render", {"variables": {"question": "?"}}),
                )
            ]
        assert found == {
            "viewer": [403, 403, 403, 403, 404],
            "member": [201, 200, 403, 403, 200],
            "admin": [201, 200, 200, 409, 200],
        }
        assert (await server.request("DELETE", f"{PATH}/p", headers=headers["member"]))[0] == 403


async def test_a_collection_and_a_prompt_go_together(support):
    await support.post("/api/v1/collections", {"name": "handbook"})
    await save(support, "plain", {"messages": [{"role": "system", "content": "Be kind."}]})
    support.model.script = say("Nothing.")
    body = {"model": "default", "messages": [{"role": "user", "content": "When is lunch?"}]}
    guru = {"prompt": "plain", "collection": "handbook"}
    status, answer = await support.post("/v1/chat/completions", body | {"guru": guru})
    assert status == 200, answer
    assert (answer["guru"]["outcome"], answer["guru"]["prompt"]["name"]) == ("declined", "plain")
    status, answer = await support.post("/v1/chat/completions", body | {"guru": {}})
    assert (status, answer["error"]["param"]) == (400, "guru.collection")


async def test_memory_and_a_prompt_go_together(support):
    for path, body in DOORS.items():
        status, answer = await support.post(path, body | {"stream": False, "guru": GURU | {"memory": True}})
        assert status == 200, answer
        assert [message for message in sent(support) if message in FILLED] == FILLED


DRAFTS = "/api/v1/prompt-drafts"


async def test_a_draft_is_looked_at_while_it_is_written(server):
    draft = {
        "messages": [
            {"role": "system", "content": "{% for one in list %}{{ one }}{% endfor %} {{ town | upper }}"},
            {"role": "user", "content": "{{ question"},
            {"role": "user", "content": "{{ f() }}"},
        ],
        "variables": {"town": {"type": "integer", "default": "x"}, "list": {"type": "list"}},
    }
    status, found = await server.post(f"{DRAFTS}/check", {"definition": draft})
    assert (status, found["variables"]) == (200, ["list", "town"])
    assert [problem["param"] for problem in found["problems"]] == [
        "variables.town", "messages[1].content", "messages[2].content",
    ]  # fmt: skip
    assert "a call cannot be in a prompt" in found["problems"][2]["message"]
    assert (await server.post(f"{DRAFTS}/check", {"definition": SUPPORT}))[1] == {
        "variables": ["town", "question"], "problems": [],
    }  # fmt: skip
    deep = {}
    for _ in range(200):
        deep = {"properties": deep}
    _, found = await server.post(f"{DRAFTS}/check", {"definition": SUPPORT | {"output_schema": deep}})
    assert [problem["param"] for problem in found["problems"]] == [None]
    status, found = await server.post(f"{DRAFTS}/check", {"definition": {"messages": [{"role": "user"}]}})
    assert (status, found["error"]["param"]) == (400, "definition.messages[0].content")


async def test_a_draft_is_filled_in_and_tried(server):
    body = {"definition": SUPPORT, "variables": {"question": "{{ why }}?"}}
    status, found = await server.post(f"{DRAFTS}/render", body)
    assert (status, found["request"]["temperature"]) == (200, 0.25)
    assert [(message["role"], message["content"]) for message in found["prompt"]["messages"]] == FILLED
    events = await server.events(f"{DRAFTS}/chat", body | {"message": "Hm?", "stream": True})
    assert "".join(data["text"] for event, data in events if event == "delta") == "Hello there."
    assert sent(server) == [*FILLED, ("user", "Hm?")]
    assert server.model.requests[-1].response_format["json_schema"]["schema"] == SCHEMA
    voted = SUPPORT | {"self_consistency": {"samples": 3}, "model": "test/scripted"}
    status, answer = await server.post(f"{DRAFTS}/chat", body | {"definition": voted})
    assert (status, answer["text"], answer["model"]) == (200, "Hello there.", "test/scripted")
    assert len(server.model.requests) == 2
    for path in ("render", "chat"):
        status, found = await server.post(f"{DRAFTS}/{path}", {"definition": SUPPORT})
        assert (status, found["error"]["param"]) == (400, "variables.question")
    assert (await server.get(PATH))[1]["prompts"] == []

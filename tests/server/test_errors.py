"""Errors in the shape of the API that was called."""

import logging

import pytest


async def test_guru_errors_say_what_to_do(server):
    status, body = await server.get("/api/v1/collections/none")
    assert status == 404
    assert body["error"]["message"] == "There is no collection 'none'."
    assert body["error"]["hint"]
    assert body["error"]["trace_id"].startswith("tr_")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/v1/nothing", 404), ("PUT", "/api/v1/ask", 405)])
async def test_unknown_routes_and_methods_are_errors_like_others(server, method, path, status):
    answered, body = await server.request(method, path)
    assert answered == status
    assert set(body["error"]) == {"type", "code", "message", "hint", "param", "trace_id"}
    assert body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"question": "why?"}, "collection", "missing"),
        ({"question": "why?", "colection": "a"}, "colection", "Did you mean `collection`?"),
        ({"question": 3, "collection": "a"}, "question", "expected `str`"),
        ({"question": "why?", "collection": "a", "k": "x"}, "k", "`k`"),
        ({"question": "why?", "collection": "a", "threshold": 2}, "threshold", "<= 1"),
        ({"question": "   ", "collection": "a"}, "question", "empty"),
    ],
)
async def test_a_wrong_field_is_named(server, body, param, words):
    status, answer = await server.post("/api/v1/ask", body)
    assert (status, answer["error"]["param"]) == (400, param)
    assert words in f"{answer['error']['message']} {answer['error']['hint']}"


async def test_a_query_is_checked_too(server):
    status, body = await server.get("/api/v1/traces?limit=many")
    assert (status, body["error"]["param"]) == (400, "limit")
    assert (await server.get("/api/v1/traces?limt=3"))[1]["error"]["hint"] == "Did you mean `limit`?"


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff\xfe", b"{" * 5000, b'{"name": "a"} x', b"null"])
async def test_a_body_that_is_no_object_is_refused(server, body):
    status, answer = await server.request("POST", "/api/v1/collections", data=body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


async def test_a_mistake_of_ours_shows_no_traceback(server, monkeypatch, caplog):
    async def broken(*_):
        raise RuntimeError("a secret")

    monkeypatch.setattr(server.services.jobs, "get", broken)
    with caplog.at_level(logging.ERROR):
        status, body = await server.get("/api/v1/jobs/job_1")
    assert status == 500
    assert "secret" not in str(body)
    assert body["error"]["trace_id"] in caplog.text
    assert "a secret" in caplog.text

"""`GET /api/v1/usage` over real requests."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from guru.config import PriceSettings, Settings
from scripted import run_server, say


@pytest.fixture
async def server(tmp_path):
    priced = Settings(prices={"test/scripted": PriceSettings(input=1_000_000.0, output=2_000_000.0)})
    async with run_server(tmp_path, priced) as running:
        yield running


async def ask(server, text="Hi", **more):
    body = {"model": "default", "messages": [{"role": "user", "content": text}], **more}
    status, answer = await server.post("/v1/chat/completions", body)
    assert status == 200, answer


async def usage(server, query=""):
    await server.services.tracer.flush()
    return await server.get(f"/api/v1/usage{query}")


async def test_what_was_used_and_what_it_cost(server):
    server.model.script = say("a", "b", prompt_tokens=10)
    await ask(server)
    await ask(server)
    status, report = await usage(server, "?group_by=model,day")
    assert status == 200
    (row,) = report["rows"]
    assert row["model"] == "test/scripted"
    assert row["day"] == f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"
    assert (row["requests"], row["prompt_tokens"], row["completion_tokens"], row["cost"]) == (2, 20, 4, 28.0)
    assert "key" not in row
    assert report["total"]["cost"] == 28.0
    assert report["next"] is None


async def test_a_price_that_is_not_known_is_null_and_not_zero(tmp_path):
    async with run_server(tmp_path) as server:
        await ask(server)
        _, report = await usage(server, "?group_by=model")
        assert report["rows"][0]["cost"] is None
        assert report["rows"][0]["unpriced_calls"] == 1
        assert report["total"]["cost"] is None


async def test_pages(server):
    await ask(server)
    await server.get("/v1/models")
    await server.openai.embeddings.create(model="embedding", input="some words")
    seen, offset = [], 0
    while offset is not None:
        _, report = await usage(server, f"?group_by=model,route&limit=1&offset={offset}")
        assert len(report["rows"]) == 1
        seen += [row["route"] for row in report["rows"]]
        offset = report["next"]
    assert sorted(seen) == ["chat.completions", "embeddings"]


@pytest.mark.parametrize("how", ["?group_by=user,model&format=csv", "?group_by=user,model"])
async def test_csv(server, how):
    await ask(server)
    await server.services.tracer.flush()
    headers = {} if "csv" in how else {"accept": "text/csv"}
    status, body = await server.get(f"/api/v1/usage{how}", headers=headers)
    assert status == 200
    (row,) = csv.DictReader(io.StringIO(body.decode()))
    assert (row["user"], row["model"], row["requests"]) == ("", "test/scripted", "1")
    assert float(row["cost"]) > 0


async def test_time_is_chosen_by_the_hour(server):
    await ask(server)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    _, report = await usage(server, f"?from={tomorrow:%Y-%m-%d}&to={tomorrow + timedelta(days=1):%Y-%m-%d}")
    assert report["total"]["requests"] == 0
    _, report = await usage(server, f"?from={tomorrow - timedelta(days=1):%Y-%m-%dT%H:00}&to={tomorrow:%Y-%m-%d}")
    assert report["total"]["requests"] == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?group_by=colour", "group_by"),
        ("?from=yesterday", "from"),
        ("?from=2026-02-02&to=2026-02-01", "from"),
        ("?limit=0", "limit"),
        ("?colour=red", "colour"),
        ("?format=xml", "format"),
        ("?to=99999-01-01", "to"),
    ],
)
async def test_what_is_asked_wrongly(server, query, said):
    status, answer = await server.get(f"/api/v1/usage{query}")
    assert status == 400
    assert said in answer["error"]["message"] or answer["error"].get("param") == said


async def test_a_request_that_failed_is_an_error_without_cost(server):
    server.model.script = [RuntimeError("broken")]
    await server.post("/v1/chat/completions", {"model": "default", "messages": [{"role": "user", "content": "Hi"}]})
    _, report = await usage(server)
    assert (report["total"]["requests"], report["total"]["errors"], report["total"]["cost"]) == (1, 1, 0.0)


async def test_a_spreadsheet_takes_no_name_for_a_formula():
    from guru.server.usage_api import cell

    assert cell("user", "=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert cell("user", "ada") == "ada"


async def test_keys_have_names_and_ids(tmp_path):
    """A name tells a person whose usage it is; the id stays, because a name can be given again."""
    async with run_server(tmp_path) as server:
        _, key = await server.post("/api/v1/keys", {"name": "website"})
        await server.post(
            "/v1/chat/completions",
            {"model": "default", "messages": [{"role": "user", "content": "Hi"}]},
            headers={"authorization": f"Bearer {key['key']}"},
        )
        await ask(server)
        _, report = await usage(server, "?group_by=key")
        assert {row["key"]: row["key_name"] for row in report["rows"]} == {key["id"]: "website", None: None}
        _, body = await server.get("/api/v1/usage?group_by=key,model&format=csv")
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        assert list(rows[0])[:3] == ["key", "key_name", "model"]
        assert {row["key"]: row["key_name"] for row in rows} == {key["id"]: "website", "": ""}
        assert {row["cost"] for row in rows} == {"unknown"}


@pytest.mark.parametrize(("priced", "shown"), [(False, "unknown"), (True, "24")])
async def test_an_unknown_price_is_told_as_such_everywhere(tmp_path, priced, shown):
    """Never as 0, which would say that it was free."""
    prices = {"test/scripted": PriceSettings(input=2_000_000.0, output=5_000_000.0)} if priced else {}
    async with run_server(tmp_path, Settings(prices=prices)) as server:
        body = {"model": "default", "messages": [{"role": "user", "content": "Hi"}]}
        server.model.script = say("a", "b", prompt_tokens=7)
        async with server.session.post(f"{server.url}/v1/chat/completions", json=body) as answer:
            assert answer.headers["x-guru-cost"] == shown
        cost = 24.0 if priced else None
        assert (await server.post("/api/v1/chat", {"message": "Hi"}))[1]["cost"] == cost
        _, found = await server.get("/api/v1/traces")
        assert {(row["cost"], row["unpriced_calls"]) for row in found["traces"]} == {(cost, 0 if priced else 1)}
        _, trace = await server.get(f"/api/v1/traces/{found['traces'][0]['id']}")
        assert trace["cost"] == cost


async def test_what_failed_for_nothing_makes_an_unknown_cost_no_zero(tmp_path):
    async with run_server(tmp_path) as server:
        await ask(server)
        server.model.script = [RuntimeError("broken")]
        await server.post("/v1/chat/completions", {"model": "default", "messages": [{"role": "user", "content": "Hi"}]})
        _, report = await usage(server, "?group_by=model")
        assert report["total"]["cost"] is None

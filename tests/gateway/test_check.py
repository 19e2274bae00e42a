"""`guru config check` finds what a configuration refers to and is not there."""

import asyncio
import contextlib
import sqlite3

import pytest
from aiohttp import web

from guru.config import load_settings
from guru.gateway.check import check


@pytest.fixture
async def provider():
    """A provider that lists its models to those who have the key."""

    async def models(request):
        if request.headers.get("authorization") != "Bearer good":
            return web.json_response({"error": {"message": "Incorrect API key provided"}}, status=401)
        return web.json_response({"data": [{"id": "big"}]})

    app = web.Application()
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


async def findings(tmp_path, text, **options):
    file = tmp_path / "guru.toml"
    file.write_text(text)
    settings = load_settings(file, home=tmp_path, environ={})
    return {found.place: found async for found in check(settings, tmp_path, **options)}


def table(url, key="good"):
    return f'[providers.mine]\nkind = "openai-compatible"\nbase_url = "{url}"\napi_key = "{key}"\n'


async def test_a_provider_that_answers_is_fine(tmp_path, provider):
    found = await findings(tmp_path, table(provider))
    assert found["providers.mine"].level == "ok"


async def test_a_key_that_is_not_taken_is_an_error(tmp_path, provider):
    found = await findings(tmp_path, table(provider, "bad"))
    assert found["providers.mine"].level == "error"
    assert "bad" not in found["providers.mine"].message


async def test_an_address_that_nobody_is_at_is_an_error(tmp_path):
    text = table("http://127.0.0.1:9/v1") + '[redis]\nurl = "redis://127.0.0.1:9/0"\n'
    found = await findings(tmp_path, text)
    assert (found["providers.mine"].level, found["redis.url"].level) == ("error", "error")
    assert (await findings(tmp_path, text, connect=False))["providers.mine"].level == "ok"


async def test_a_provider_that_is_silent_does_not_hold_up_the_check(tmp_path, monkeypatch):
    monkeypatch.setattr("guru.gateway.check.PATIENCE", 0.1)
    writers = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    found = await findings(tmp_path, table(f"http://127.0.0.1:{port}/v1"))
    assert "did not answer" in found["providers.mine"].message
    silent.close()
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_a_missing_key_is_named(tmp_path):
    found = await findings(tmp_path, "[providers.openai]\n")
    assert "api_key" in found["providers.openai"].message
    assert "OPENAI_API_KEY" in found["providers.openai"].hint


async def test_models_that_are_not_there_are_named(tmp_path, provider):
    text = (
        table(provider)
        + """
[models.smart]
deployments = [{ model = "mine/big", label = "stable" }, { model = "opnai/gpt-4o" }, { model = "local/qwen3-4b" }]
fallbacks = ["smart", "local/nothing"]
release = { candidate = "new" }
"""
    )
    found = await findings(tmp_path, text)
    assert found["models.smart.deployments[0]"].level == "ok"
    assert "opnai" in found["models.smart.deployments[1]"].message
    assert "guru models pull" in found["models.smart.deployments[2]"].hint
    assert found["models.smart.fallbacks"].level == "error"
    assert "stable" in found["models.smart.release"].hint


async def test_a_key_that_is_easy_to_guess_is_a_warning(tmp_path):
    found = await findings(tmp_path, '[keys.web]\nkey = "abc"\nteam = "web"\n')
    assert (found["keys.web.key"].level, found["keys.web.team"].level) == ("warning", "warning")


async def found_by_level(tmp_path, text, **options):
    """Every finding that is not ok, as (place, level, message)."""
    file = tmp_path / "guru.toml"
    file.write_text(text)
    settings = load_settings(file, home=tmp_path, environ={})
    found = [finding async for finding in check(settings, tmp_path, connect=False, **options)]
    return [(each.place, each.level, f"{each.message} {each.hint}") for each in found if each.level != "ok"]


ALIAS = 'deployments = [{ model = "mine/big" }]\n'
OPEN = "[providers.mine]\nkind = 'vllm'\nbase_url = 'http://127.0.0.1:9/v1'\n"


@pytest.mark.parametrize(
    ("text", "place", "level", "words"),
    [
        ("[models.a]\n" + ALIAS + 'fallbacks = ["b"]\n[models.b]\n' + ALIAS + 'fallbacks = ["a"]', "models.a.fallbacks",
         "warning", "a → b → a"),
        ("[models.a]\n" + ALIAS + 'fallbacks = ["c"]', "models.a.fallbacks", "error", "'c'"),
        ('[models.a]\ndeployments = [{ model = "mine/big" }, { model = "mine/big" }]', "models.a.deployments",
         "warning", "more than once"),
        ('[models.a]\ndeployments = [{ model = "mine/big", weight = 0 }]', "models", "error", "weight 0"),
        ("[models.a]\n" + ALIAS + '[models.b]\ndeployments = [{ model = "a" }]', "models.b.deployments[0]", "warning",
         "an alias itself"),
        ('[models."mine/small"]\n' + ALIAS, "models.mine/small", "warning", "hides"),
        ('[providers.claude]\nkind = "anthropic"\napi_key = "k"\nbase_url = "http://127.0.0.1:9"\n'
         '[models.embedding]\ndeployments = [{ model = "claude/opus" }]', "models.embedding", "error", "embedding"),
        ('[prices."mien/big"]\ninput = 1\noutput = 1', 'prices."mien/big"', "warning", "Did you mean mine?"),
        ('[prices.smart]\ninput = 1\noutput = 1', 'prices."smart"', "warning", "provider/model"),
        ('[prices."mine/big"]\ninput = 1\noutput = 1\nsince = "soon"', "prices", "error", "YYYY-MM-DD"),
        ("[teams.red]\nlimits = { rpm = 1 }", "teams.red", "hint", "--team red"),
        ('[keys.a]\nkey = "0123456789abcdef"\n[keys.b]\nkey = "0123456789abcdef"', "keys.b.key", "error", "keys.a"),
        ('[keys.a]\nkey = " "', "keys.a.key", "error", "empty"),
        ('[keys.a]\nkey = "0123456789abcdef"\nroutes = ["chat.completion"]', "keys.a.routes", "warning",
         "Did you mean chat.completions?"),
        ('[keys.a]\nkey = "0123456789abcdef"\nmodels = ["mien/*"]', "keys.a.models", "warning", "Did you mean mine?"),
        ('[server]\nhost = "0.0.0.0"\nrequire_key = false', "server", "error", "require_key"),
        ('[store]\nurl = "mysql://x"', "store.url", "error", "postgresql://"),
    ],
)  # fmt: skip
async def test_what_refers_to_nothing_or_contradicts_itself_is_found(tmp_path, text, place, level, words):
    found = await found_by_level(tmp_path, OPEN + text, doors=("chat.completions", "embeddings"))
    assert [(place, level)] == [each[:2] for each in found]
    assert words in found[0][2]


async def test_nothing_is_found_where_nothing_is_wrong(tmp_path):
    text = (
        OPEN
        + """
    [models.a]
    deployments = [{ model = "mine/big", label = "old" }, { model = "mine/big", label = "new" }]
    fallbacks = ["b", "local/moderation"]
    [models.b]
    deployments = [{ model = "mine/small" }]
    [keys.web]
    key = "0123456789abcdef"
    models = ["*", "a*", "mine/*", "default"]
    routes = ["chat.*"]
    team = "web"
    [teams.web]
    limits = { rpm = 10 }
    [prices."mine/big"]
    input = 1
    output = 1
    """
    )
    assert await found_by_level(tmp_path, text, doors=("chat.completions",)) == []


@pytest.mark.parametrize("url", ["nonsense", "redis://", "redis://host:99999999", "ftp://host"])
async def test_an_address_that_is_none_is_an_error(tmp_path, url):
    found = await findings(tmp_path, f'[redis]\nurl = "{url}"\n')
    assert (found["redis.url"].level, found["redis.url"].message) == ("error", "That is not an address.")


async def test_all_that_is_wrong_with_tools_and_agents_is_named_at_once(tmp_path):
    """And a tool of a table that is not right is not named a second time by the agent that wants it."""
    (tmp_path / "notes").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    found = await found_by_level(
        tmp_path,
        f"""
[tools]
confirm = ["run_python", "tables_*", "fetch_pgae"]
[tools.web]
[tools.search]
provider = "brave"
[tools.files.notes]
root = "{tmp_path}/notes"
[tools.files.gone]
root = "{tmp_path}/gone"
[tools.sql.shop]
url = "sqlite:///{tmp_path}/shop.db"
tables = ["orders", "customers"]
[tools.sql.lost]
url = "sqlite:///{tmp_path}/lost.db"
[tools.sql.odd]
url = "mysql://host/db"
[tools.openapi.crm]
document = "{tmp_path}/crm.json"
[mcp.servers.far]
url = "http://127.0.0.1:9/mcp"

[agents.clerk]
tools = ["calculater", "query_odd", "query_shop", "notes_*", "gone_read", "crm_find", "far__look", "wether_*",
         "ask_person", "search_web"]
model = "local/nothing"
approve = ["query_shop", "pay"]
alternatives = {{ fetch_page = ["fetch_pages"] }}
examples = [{{ tool = "calculato", request = "1+1" }}, {{ tool = "", request = "Hello" }}]
[agents.chief]
strategy = "router"
[agents.late]
schedule = "every day"
agents = ["clrek"]
""",
    )
    assert sorted((place, level) for place, level, _ in found) == sorted([
        ("tools.search", "error"), ("tools.sql.shop.tables", "error"), ("tools.sql.lost", "error"),
        ("tools.sql.odd", "error"), ("tools.files.gone", "error"), ("tools.openapi.crm", "error"),
        ("tools.confirm", "warning"), ("tools.confirm", "warning"), ("agents.clerk.model", "error"),
        ("agents.clerk.tools", "error"), ("agents.clerk.tools", "warning"), ("agents.clerk.approve", "warning"),
        ("agents.clerk.alternatives", "warning"), ("agents.clerk.examples", "warning"), ("agents.chief", "error"),
        ("agents.late", "error"), ("agents.late.agents", "warning"),
    ])  # fmt: skip
    words = {f"{place} {words}" for place, _, words in found}
    for part in ("tools.search [tools.search] api_key is missing", "no table customers", "Did you mean fetch_page?",
                 "'run_python'", "Did you mean calculator?", "'wether_*'", "Did you mean clerk?", "nobody to hand over",
                 "There is no folder"):  # fmt: skip
        assert any(part in word for word in words), part


async def test_tools_and_agents_that_are_right_are_fine_and_nothing_of_the_web_is_asked(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    found = await findings(
        tmp_path,
        f"""
[tools.python]
[tools.weather]
url = "http://127.0.0.1:9"
[tools.sql.shop]
url = "sqlite:///{tmp_path}/shop.db"
tables = ["Orders"]
[tools.openapi.crm]
document = "http://127.0.0.1:9/openapi.json"
[agents.clerk]
tools = ["calculator", "query_shop", "crm_find", "run_*"]
""",
    )
    assert {place: finding.level for place, finding in found.items() if place.startswith(("tools", "agents"))} == {
        "tools.python": "ok", "tools.weather": "ok", "tools.sql.shop": "ok", "tools.openapi.crm": "ok",
        "agents.clerk": "ok",
    }  # fmt: skip
    assert "query_shop" in found["tools.sql.shop"].message


async def test_a_database_of_models_that_does_not_answer_is_an_error_unless_nothing_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("guru.gateway.check.PATIENCE", 0.2)
    writers = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    text = f'[tools.sql.shop]\nurl = "postgresql://a:secret@127.0.0.1:{silent.sockets[0].getsockname()[1]}/x"\n'
    found = (await findings(tmp_path, text))["tools.sql.shop"]
    assert found.level == "error" and "secret" not in found.message
    assert (await findings(tmp_path, text, connect=False))["tools.sql.shop"].level == "ok"
    silent.close()
    for writer in writers:
        writer.close()

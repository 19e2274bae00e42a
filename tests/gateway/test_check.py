"""`guru config check` finds what a configuration refers to and is not there."""

import asyncio

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

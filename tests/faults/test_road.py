"""Routing seen from outside: what clients and providers see when deployments fail."""

import asyncio
import time
from email.utils import formatdate

import pytest

from faults.rig import (
    FIRST_A,
    answer,
    begin_then,
    configuration,
    cut,
    fail,
    gateway,
    providers,
    reset,
    said,
    silence,
    tokens,
    until,
)  # fmt: skip

CALLED = {
    "tools": [
        {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    ],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_another_provider_with_another_format_answers(tmp_path, stream):
    async with providers(2) as (a, b):
        text = configuration(
            a, b, kinds=["openai-compatible", "anthropic"], deployments='{ model = "a/gpt-4o" }',
            alias='fallbacks = ["b/claude"]\nretries = 0',
        )  # fmt: skip
        async with gateway(tmp_path / "home", text) as guru:
            for number, fault in enumerate((fail(500), reset, begin_then(then=cut), fail(429, retry_after="1"))):
                a.usual = fault
                status, headers, got = await guru.chat(stream=stream, max_tokens=20, **CALLED)
                assert (status, headers["x-guru-model"]) == (200, "b/claude")
                assert (said(got) if stream else got["choices"][0]["message"]["content"]) == "Hello there"
                asked = b.calls[number]
                user, called, result = asked.json["messages"]
                assert "Be brief." in str(asked.json["system"])
                assert user["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
                assert called["content"][0]["name"] == asked.json["tools"][0]["name"] == "look"
                assert result["content"][0]["tool_use_id"] == called["content"][0]["id"]
                assert "key-of-a" not in str(asked.headers)
            await guru.at_rest()


WAITS = [
    "9" * 400, "1" + "0" * 30, "86400", formatdate(time.time() + 10**6, usegmt=True), "-5", "soon", "", "1e400",
    "Wed, 99 Foo 2026 99:99:99 GMT", "NaN", "Fri, 31 Dec 9999 23:59:59 GMT",
]  # fmt: skip


@pytest.mark.parametrize("name", ["retry_after", "retry_after_ms"])
async def test_no_retry_after_breaks_an_answer_or_keeps_it_waiting(tmp_path, name):
    async with providers(1) as (a,), gateway(tmp_path / "home", configuration(a)) as guru:
        for number, value in enumerate(WAITS if name == "retry_after" else WAITS[:2]):
            a.usual = fail(429, **{name: value})
            status, headers, body = await guru.chat(model=f"a/m{number}")
            assert status == 429, (value, body)
            assert 1 <= int(headers["retry-after"]) <= 30 * 86_400
            asked = len(a.calls)
            a.usual = answer("well")
            status, headers, body = await guru.chat(model=f"a/m{number}")
            assert status in (200, 503), (value, body)  # 503: it rests, as it asked for
            assert (len(a.calls) == asked) is (status == 503)
            assert guru.health(f"a/m{number}").rests_for <= 60
        assert await guru.get("/api/v1/routes")
        await guru.at_rest()


async def test_64_clients_send_one_probe(tmp_path):
    async with providers(2) as (a, b), gateway(tmp_path / "home", configuration(a, b, alias=FIRST_A)) as guru:
        health = guru.health("a/gpt-4o")
        a.usual = fail(500)
        for _ in range(25):
            status, *_ = await guru.chat()
            assert status == 200
        assert (health.breaker.state, len(a.calls)) == ("open", 8)
        for outcome, state in ((fail(500), "open"), (answer("back"), "closed")):
            asked, decided = len(a.calls), asyncio.Event()

            async def probe(call, outcome=outcome, decided=decided):
                await decided.wait()
                await outcome(call)

            a.usual = probe
            health.breaker._until = 0.0  # the pause is over
            clients = [asyncio.create_task(guru.chat()) for _ in range(64)]
            await until(lambda clients=clients: sum(one.done() for one in clients) == 63, "others wait for the probe")
            assert len(a.calls) == asked + 1
            decided.set()
            assert all(status == 200 for status, *_ in await asyncio.gather(*clients))
            assert (health.breaker.state, len(a.calls)) == (state, asked + 1)
        await guru.at_rest()


async def test_a_probe_whose_client_leaves_gives_its_place_to_another(tmp_path):
    async with providers(2) as (a, b), gateway(tmp_path / "home", configuration(a, b, alias=FIRST_A)) as guru:
        health = guru.health("a/gpt-4o")
        health.breaker.trip()
        health.breaker._until = 0.0
        a.usual = silence
        client = asyncio.create_task(guru.chat())
        await until(lambda: a.calls)
        client.cancel()
        await until(a.calls[0].gone.is_set)
        await guru.at_rest()
        a.usual = answer("back")
        _, headers, _ = await guru.chat()
        assert (headers["x-guru-model"], health.breaker.state) == ("a/gpt-4o", "closed")


async def test_what_hedges_lose_is_cancelled_and_billed_once(tmp_path):
    async with providers(2) as (a, b):
        text = configuration(a, b, alias=FIRST_A + "\nhedge_after = 0.02\nretries = 0")
        async with gateway(tmp_path / "home", text) as guru:
            a.usual = silence
            b.usual = answer("one", "two", usage=tokens(33, 2))
            for number, stream in enumerate((False, True)):
                status, headers, _ = await guru.chat(stream=stream)
                assert (status, headers["x-guru-model"]) == (200, "b/gpt-4o")
                await until(a.calls[number].gone.is_set, "the loser was not cancelled")
            await guru.at_rest()
            calls, totals = await guru.books()
            won = [call for call in calls if call["model"] == "b/gpt-4o"]
            lost = [call for call in calls if call["model"] == "a/gpt-4o"]
            assert [(call["prompt_tokens"], call["completion_tokens"]) for call in won] == [(33, 2)] * 2
            assert [call["status"] for call in lost] == ["cancelled"] * 2
            assert (totals["requests"], totals["calls"], totals["completion_tokens"]) == (2, 4, 4)
            assert totals["prompt_tokens"] == 66 + sum(call["prompt_tokens"] for call in lost)


async def test_a_deadline_holds_over_deployments_retries_and_fallbacks(tmp_path):
    async with providers(3) as (a, b, c):
        alias = 'timeout = 0.5\nretries = 5\nfallbacks = ["c/gpt-4o"]'
        text = configuration(a, b, c, alias=alias, deployments='{ model = "a/gpt-4o" }, { model = "b/gpt-4o" }')
        async with gateway(tmp_path / "home", text) as guru:
            a.usual = b.usual = c.usual = silence
            for stream in (False, True):
                async with asyncio.timeout(10):
                    status, _, body = await guru.chat(stream=stream)
                assert status == 504, body
            for call in a.calls + b.calls + c.calls:
                await until(call.gone.is_set)
            await guru.at_rest()


async def test_the_first_token_has_a_deadline_also_where_the_head_has_come(tmp_path):
    async with providers(2) as (a, b):
        alias = 'first_token_timeout = 0.1\nretries = 0\nfallbacks = ["b/gpt-4o"]'
        text = configuration(a, b, alias=alias, deployments='{ model = "a/gpt-4o" }')
        async with gateway(tmp_path / "home", text) as guru:
            a.usual = begin_then(then=silence)
            _, headers, got = await guru.chat(stream=True)
            assert (said(got), headers["x-guru-model"]) == ("Hello there", "b/gpt-4o")
            await until(a.calls[0].gone.is_set)
            await guru.at_rest()


async def test_when_all_else_fails_the_old_answer_is_shown_and_marked(tmp_path):
    alias = "degrade = true\nretries = 0"
    async with providers(2) as (a, b), gateway(tmp_path / "home", configuration(a, b, alias=alias)) as guru:
        a.usual = b.usual = answer("kept")
        assert (await guru.chat("known"))[1]["x-guru-cache"] == "miss"
        a.usual, b.usual = fail(500), reset
        for stream in (False, True):
            status, headers, got = await guru.chat("known", stream=stream)
            assert (status, headers["x-guru-cache"]) == (200, "stale")
            assert (said(got) if stream else got["choices"][0]["message"]["content"]) == "kept"
            assert (await guru.chat("unknown", stream=stream))[0] == 503
        _, totals = await guru.books()
        assert totals["cached_stale"] == 2
        assert totals["completion_tokens"] == 1  # what is shown again costs nothing
        await guru.at_rest()

"""The configuration changes under load: no request is lost, and none begun afterwards goes where it no longer may."""

import asyncio
import itertools
import random

from faults.rig import answer, configuration, fail, gateway, parse, providers, said, tokens, until

CLIENTS = 40
CHANGES = 50


async def test_50_changes_under_200_requests_lose_none(tmp_path):
    chance = random.Random(4)
    async with providers(3) as three:
        for one in three:
            one.usual = answer("one ", "two ", "three", gap=0.005, usage=tokens(5, 3))

        def version():
            """A configuration, and which upstream may be asked under it."""
            shuffled = chance.sample(three, 3)  # addresses change
            names = chance.sample("abc", chance.randint(1, 3))
            deployments = ", ".join(f'{{ model = "{name}/m{chance.randint(1, 2)}" }}' for name in names)
            alias = f'strategy = "{chance.choice(["weighted", "least-busy", "latency"])}"\nretries = 0\n'
            more = f"[models.robust.limits]\nrpm = {chance.randint(50_000, 90_000)}\n"
            more += f'[prices."a/m1"]\ninput = {chance.randint(1, 9)}\noutput = 1'
            text = configuration(*shuffled, alias=alias, deployments=deployments, more=more)
            return text, {shuffled["abc".index(name)] for name in names}

        versions = [version()]
        current = 0
        async with gateway(tmp_path / "home", versions[0][0]) as guru:
            running, told, whereto = True, [], {}
            numbers = itertools.count()

            async def client():
                while running:
                    number, asked_in, stream = next(numbers), current, chance.random() < 0.5
                    status, _, got = await guru.chat(f"mark {number}.", stream=stream)
                    assert status == 200, got
                    text = said(got) if stream else got["choices"][0]["message"]["content"]
                    assert text == "one two three"
                    told.append(number)
                    whereto[number] = (asked_in, current)

            clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
            for _ in range(CHANGES):
                enough = len(told) + 4
                await until(lambda enough=enough: len(told) >= enough or any(one.done() for one in clients))
                versions.append(version())
                status, _, found = await guru.reload(versions[-1][0])
                assert status == 200, found
                current = len(versions) - 1
            running = False
            await asyncio.gather(*clients)
            await guru.at_rest()
            served = {}
            for one in three:
                for call in one.calls:
                    number = int(call.json["messages"][-1]["content"].split()[1].rstrip("."))
                    assert number not in served, "asked twice"
                    served[number] = one
            assert len(told) >= 200
            assert set(served) == set(told)
            for number, (since, until_) in whereto.items():
                allowed = set().union(*(versions[place][1] for place in range(since, min(until_ + 2, len(versions)))))
                assert served[number] in allowed, "went where it no longer may"
            _, totals = await guru.books()
            assert (totals["requests"], totals["completion_tokens"]) == (len(told), 3 * len(told))


async def test_a_request_that_waits_is_served_by_what_its_alias_means_now(tmp_path):
    async with providers(2) as (a, b):
        before = configuration(a, alias="retries = 5")
        after = (
            configuration(b, alias="retries = 5").replace("providers.a", "providers.new").replace("a/gpt-4o", "new/m")
        )
        async with gateway(tmp_path / "home", before) as guru:
            a.usual = fail(429, retry_after="1")
            clients = [asyncio.create_task(guru.chat(stream=stream)) for stream in (False, True)]
            await until(lambda: guru.health("a/gpt-4o").failures >= 1)
            assert (await guru.reload(after))[0] == 200
            asked = len(a.calls)
            for status, headers, _ in await asyncio.gather(*clients):
                assert (status, headers["x-guru-model"]) == (200, "new/m")
            assert len(a.calls) <= asked + len(clients)  # what was on its way already
            await guru.at_rest()


async def test_a_key_that_is_removed_ends_at_once_and_its_stream_goes_on(tmp_path):
    keys = '[keys.web]\nkey = "{}"\n'
    async with providers(1) as (a,):
        with_key = configuration(a, more=keys.format("sk-guru-web-0123456789abcdef"))
        async with gateway(tmp_path / "home", with_key) as guru:
            go_on = asyncio.Event()

            async def slow(call):
                await call.begin()
                await call.piece("one")
                await go_on.wait()
                await call.piece("two")
                await call.finish(tokens(1, 2))

            a.usual = slow
            headers = {"authorization": "Bearer sk-guru-web-0123456789abcdef"}
            body = {"model": "robust", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
            asked = guru.post("/v1/chat/completions", body, headers=headers)
            stream = asyncio.create_task(asked)
            await until(lambda: a.calls)
            assert (await guru.reload(configuration(a)))[0] == 200
            assert (await guru.post("/v1/chat/completions", body, headers=headers))[0] == 401
            go_on.set()
            status, _, got = await stream
            assert (status, said(got), parse(got)[-1]) == (200, "onetwo", "[DONE]")
            await guru.at_rest()

"""What a server may ask of us, and what it gets."""

import json

from programs import tool

from guru.agents.mcp.client.host import Host
from guru.agents.tools.asking import MODES, Elicited
from guru.errors import BudgetExceeded


class Model:
    def __init__(self, error=None):
        self.asked, self.error = [], error

    async def sample(self, params, tokens):
        self.asked.append((params["messages"], tokens))
        if self.error:
            raise self.error
        return {"role": "assistant", "content": {"type": "text", "text": "Hi"}, "model": "m", "stopReason": "endTurn"}


class Ann:
    modes = MODES

    def __init__(self, content):
        self.content, self.seen = content, []

    async def ask(self, question, state):
        self.seen.append((question.server, question.url or question.message))
        action = "accept" if question.url or self.content is not None else "decline"
        return Elicited(action=action, content=self.content or {})


SAMPLE = {"messages": [{"role": "user", "content": {"type": "text", "text": "Hello"}}], "maxTokens": 500}
FORM = {
    "message": "Your name?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}


async def ask(program, host, method, params=None, times=1):
    program.offer(tool("ask"))
    async with program.client(host) as client:
        call = {"method": method, "params": params or {}}
        for _ in range(times):
            result = await client.call(tool("ask"), call)
        return json.loads(result["content"][0]["text"])


async def test_folders_are_told_if_the_configuration_names_them(program, tmp_path):
    assert await ask(program, Host("p"), "roots/list") == {"roots": []}
    named = Host("p", roots=[str(tmp_path)])
    assert named.capabilities == {"roots": {}}
    assert (await ask(program, named, "roots/list"))["roots"][0]["uri"] == tmp_path.as_uri()


async def test_a_model_is_lent_within_limits(program):
    model = Model()
    host = Host("p", sampler=model, tokens=100, calls=2)
    assert (await ask(program, host, "sampling/createMessage", SAMPLE))["content"]["text"] == "Hi"
    assert model.asked == [(SAMPLE["messages"], 100)]
    for wrong in ({"maxTokens": 0}, {"maxTokens": "many"}, {"messages": [{"text": "x" * 300_000}]}):
        assert "code" in await ask(program, host, "sampling/createMessage", SAMPLE | wrong)
    assert len(model.asked) == 1


async def test_a_call_asks_the_model_so_often_and_no_more():
    host = Host("p", sampler=Model(), calls=2)
    for _ in range(2):
        await host.answer("sampling/createMessage", SAMPLE)
    try:
        await host.answer("sampling/createMessage", SAMPLE)
    except Exception as error:
        assert "2 times" in str(error)
    else:
        raise AssertionError
    host.renew()
    await host.answer("sampling/createMessage", SAMPLE)


async def test_no_model_is_lent_that_is_not_named(program):
    assert (await ask(program, Host("p"), "sampling/createMessage", SAMPLE))["code"] == -32601


async def test_a_budget_that_is_spent_is_said(program):
    host = Host("p", sampler=Model(BudgetExceeded("The budget is spent.")))
    assert "The budget is spent." in (await ask(program, host, "sampling/createMessage", SAMPLE))["message"]


async def test_without_a_person_every_question_is_declined(program):
    assert Host("p").capabilities == {}
    assert await ask(program, Host("p"), "elicitation/create", FORM) == {"action": "decline"}


async def test_a_person_is_asked_in_the_name_of_the_server(program):
    ann = Ann({"name": "Ann"})
    answer = await ask(program, Host("p", person=ann), "elicitation/create", FORM)
    assert (answer, ann.seen) == ({"action": "accept", "content": {"name": "Ann"}}, [("p", "Your name?")])
    assert await ask(program, Host("p", person=Ann(None)), "elicitation/create", FORM) == {"action": "decline"}
    assert await ask(program, Host("p", person=Ann({})), "elicitation/create", FORM) == {"action": "cancel"}


async def test_an_address_is_opened_only_over_tls():
    host = Host("p", person=Ann(None))
    for url, action in (("https://a.example", "accept"), ("http://a.example", "decline"), ("file:///x", "decline")):
        answer = await host.answer("elicitation/create", {"mode": "url", "message": "Log in", "url": url})
        assert answer == {"action": action}


async def test_what_nobody_knows_is_refused(program):
    assert (await ask(program, Host("p"), "tools/list"))["code"] == -32601

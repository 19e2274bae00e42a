"""A box of tools, as an agent's loop uses it: by name, with arguments as models write them."""

import asyncio
import json
import logging

import pytest

from agents.tools.boxes import CONTEXT
from guru.agents.tools.base import ToolResult, ToolSpec
from guru.agents.tools.function import FunctionTool, tool
from guru.agents.tools.toolbox import Toolbox
from guru.errors import ConfigurationError, Forbidden, NotFound

INTEGER = {"type": "object", "properties": {"count": {"type": "integer", "minimum": 1}}, "required": ["count"],
           "additionalProperties": False}  # fmt: skip


class Scripted:
    """A tool that does what a test tells it to."""

    def __init__(self, work, name="scripted", parameters=INTEGER, timeout=5.0):
        self.work = work
        self.calls = []
        self.spec = ToolSpec(name=name, description="It does.", parameters=parameters, timeout=timeout)

    async def call(self, arguments, context):
        self.calls.append((arguments, context))
        return await self.work(arguments) if callable(self.work) else self.work


def returning(text="done", **options):
    return Scripted(ToolResult(text=text), **options)


async def test_a_call_by_name_gives_the_tools_result():
    scripted = returning()
    result = await Toolbox([scripted]).call("scripted", '{"count": 3}', CONTEXT)
    assert (result.text, result.failed) == ("done", False)
    assert scripted.calls == [({"count": 3}, CONTEXT)]


async def test_arguments_may_be_json_or_what_it_stands_for():
    scripted = returning()
    box = Toolbox([scripted])
    await box.call("scripted", {"count": 3}, CONTEXT)
    await box.call("scripted", ' {"count":3} ', CONTEXT)
    assert [arguments for arguments, _ in scripted.calls] == [{"count": 3}] * 2


@pytest.mark.parametrize("nothing", ["", "  ", "{}", "null"])
async def test_a_tool_without_parameters_takes_all_that_models_write_for_nothing(nothing):
    box = Toolbox([returning(parameters={"type": "object", "properties": {}})])
    assert (await box.call("scripted", nothing, CONTEXT)).text == "done"


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ('{"n": "3"}', {"n": 3}),
        ('{"n": 3, "many": "[1, 2]"}', {"n": 3, "many": [1, 2]}),
        ('{"n": "3", "table": "{\\"a\\": 1}", "yes": "true"}', {"n": 3, "table": {"a": 1}, "yes": True}),
        ('"{\\"n\\": 3}"', {"n": 3}),
        ('{"n": 3, "text": "3"}', {"n": 3, "text": "3"}),
    ],
)
async def test_what_small_models_write_as_text_is_taken_for_what_it_should_be(written, taken):
    parameters = {"type": "object", "required": ["n"], "properties": {
        "n": {"type": "integer"}, "many": {"type": "array"}, "table": {"type": "object"}, "yes": {"type": "boolean"},
        "text": {"type": "string"},
    }}  # fmt: skip
    scripted = returning(parameters=parameters)
    assert (await Toolbox([scripted]).call("scripted", written, CONTEXT)).text == "done"
    assert scripted.calls[0][0] == taken


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{}", '"count" is a required property'),
        ('{"count": "three"}', '`count`: "three" is not of type "integer"'),
        ('{"count": 0}', "`count`: 0 is less than the minimum of 1"),
        ('{"count": 1, "cuont": 2}', "did you mean 'count'?"),
        ('{"count": 1, "zzz": 2}', "there are count"),
        ("[1]", 'not a JSON object. Write such as {"count": ...}.'),
        (
            "count=3",
            'not JSON: JSON is malformed: invalid character (byte 0). Write one object, such as {"count": ...}',
        ),
        ('{"count": 3', "not JSON: Input data was truncated"),
        ('{"count": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"count": "' + "x" * 100_000 + '"}', "..."),
        ("x" * (2 << 20), "longer than 1,048,576 characters"),
    ],
)
async def test_wrong_arguments_come_back_in_words_by_which_to_mend_them(arguments, told):
    scripted = returning()
    result = await Toolbox([scripted]).call("scripted", arguments, CONTEXT)
    assert result.failed
    assert told in result.text
    assert len(result.text) < 1000
    assert not scripted.calls


async def test_alternatives_are_told_one_by_one():
    parameters = {"type": "object", "properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}
    result = await Toolbox([returning(parameters=parameters)]).call("scripted", '{"a": "x"}', CONTEXT)
    assert '"x" is not of type "integer" or "x" is not of type "null"' in result.text


async def test_an_unknown_tool_is_told_with_the_nearest():
    box = Toolbox([returning(name="calculator"), returning(name="weather")])
    result = await box.call("calculater", "{}", CONTEXT)
    assert result.text == "There is no tool 'calculater'. Did you mean 'calculator'? There are: calculator, weather."
    assert (await Toolbox().call("x", "{}", CONTEXT)).text.endswith("There are no tools; answer without.")


async def test_a_tool_that_takes_too_long_is_stopped():
    stopped = asyncio.Event()

    async def work(_):
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    result = await Toolbox([Scripted(work, timeout=0.05)]).call("scripted", '{"count": 1}', CONTEXT)
    assert result.text == "scripted took longer than 0.05 seconds and was stopped. Ask it for less."
    assert result.failed
    assert stopped.is_set()


async def test_a_timeout_within_a_tool_is_its_own():
    async def work(_):
        raise TimeoutError("the printer is slow")

    result = await Toolbox([Scripted(work)]).call("scripted", '{"count": 1}', CONTEXT)
    assert result.text == "TimeoutError: the printer is slow"


async def test_an_error_of_guru_is_told_with_its_hint():
    async def work(_):
        raise Forbidden("That is not yours.", hint="Ask for something else.")

    result = await Toolbox([Scripted(work)]).call("scripted", '{"count": 1}', CONTEXT)
    assert result.text == "That is not yours. Ask for something else."


async def test_any_other_error_is_told_without_stack_and_secrets_and_logged(caplog, monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", "opensesame-42")

    async def work(_):
        raise RuntimeError(
            "GET https://ann:hunter2@shop.example/?api_key=k1234567&x=1 failed: opensesame-42,\n"
            "Authorization: Bearer abcdef.123, password='p w', sk-proj-abcdefghijklmnopqrst"
        )

    with caplog.at_level(logging.ERROR):
        result = await Toolbox([Scripted(work)]).call("scripted", '{"count": 1}', CONTEXT)
    assert result.failed
    assert result.text.startswith("RuntimeError: GET https://[hidden]@shop.example/?api_key=[hidden]&x=1 failed")
    for secret in ("hunter2", "k1234567", "opensesame", "abcdef.123", "p w", "abcdefghij", "Traceback", "\n"):
        assert secret not in result.text
    assert "The tool scripted failed." in caplog.text


async def test_an_error_that_cannot_be_printed_is_told_by_its_kind():
    class OddError(Exception):
        def __str__(self):
            raise ValueError

    async def work(_):
        raise OddError

    assert (await Toolbox([Scripted(work)]).call("scripted", '{"count": 1}', CONTEXT)).text == "OddError."


async def test_only_a_cancellation_of_the_call_itself_raises():
    async def forever(_):
        await asyncio.sleep(60)

    running = asyncio.create_task(Toolbox([Scripted(forever)]).call("scripted", '{"count": 1}', CONTEXT))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    async def within(_):
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await inner

    result = await Toolbox([Scripted(within)]).call("scripted", '{"count": 1}', CONTEXT)
    assert result.text == "scripted broke off its own work."


async def test_calls_run_at_the_same_time():
    entered = 0
    everybody = asyncio.Event()

    async def work(_):
        nonlocal entered
        entered += 1
        if entered == 5:
            everybody.set()
        await everybody.wait()
        return ToolResult(text="met")

    box = Toolbox([Scripted(work)])
    results = await asyncio.gather(*(box.call("scripted", {"count": 1}, CONTEXT) for _ in range(5)))
    assert [result.text for result in results] == ["met"] * 5


async def test_a_tool_whose_schema_is_none_is_told_of_and_the_others_work():
    broken = returning(name="broken", parameters={"type": "objekt"})
    outside = returning(
        name="outside", parameters={"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/x"}}}
    )
    box = Toolbox([broken, outside, returning()])
    for name in ("broken", "outside"):
        assert "its own schema is not valid" in (await box.call(name, '{"a": 1}', CONTEXT)).text
    assert (await box.call("scripted", {"count": 1}, CONTEXT)).text == "done"


async def test_a_pattern_that_backtracks_for_ever_does_not():
    parameters = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$(?=x)"}}}
    result = await Toolbox([returning(parameters=parameters)]).call("scripted", {"a": "a" * 5000 + "!"}, CONTEXT)
    assert result.failed


def test_requests_carry_the_tools_as_providers_take_them():
    (made,) = Toolbox([returning()]).as_request_tools()
    assert (made.function.name, made.function.description, made.function.parameters) == (
        "scripted",
        "It does.",
        INTEGER,
    )


def test_some_of_the_tools_are_a_box_too():
    box = Toolbox([returning(name="a"), returning(name="b"), returning(name="c")])
    assert [spec.name for spec in box.only(["c", "a", "c"]).specs] == ["c", "a"]
    assert len(box) == 3 and "b" in box and "d" not in box
    with pytest.raises(NotFound):
        box.only(["d"])


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "é", "a.b", "a/b"])
def test_a_name_that_no_provider_takes_is_refused(name):
    with pytest.raises(ConfigurationError, match="cannot be called"):
        Toolbox([returning(name=name)])


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(ConfigurationError, match="two tools called 'a'"):
        Toolbox([returning(name="a"), returning(name="a")])


@tool
def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


async def test_a_function_is_called_with_what_a_model_wrote():
    result = await Toolbox([add]).call("add", json.dumps({"a": 2}), CONTEXT)
    assert (result.text, result.data) == ("3", 3)
    assert isinstance(add, FunctionTool) and add(2, b=3) == 5

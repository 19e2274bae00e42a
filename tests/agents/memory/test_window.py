"""A conversation in a given number of tokens, with a running summary that is carried on, seen and erased."""

import pytest

from agents.memory.conftest import ANN, BOB
from guru.agents.memory.window import HEAD, about
from guru.errors import ContextTooLong, ModelUnavailable
from guru.types import FunctionCall, Message, ToolCall


def conversation(turns):
    messages = [Message("system", "Be brief.")]
    for number in range(turns):
        messages.append(
            Message("user", f"My flight number {number} leaves at {number} o'clock from gate {number}. Note it.")
        )
        messages.append(Message("assistant", f"I have noted flight {number}. " + "It is a fine flight. " * 5))
    return [*messages, Message("user", "Which gate was it?")]


class Summariser:
    name, small = "test/summariser", False

    def __init__(self):
        self.asked = []

    async def write(self, instruction, text, max_tokens, schema=None):
        self.asked.append(text)
        return f"Summary {len(self.asked)}."


def size(messages):
    return sum(map(about, messages))


async def test_what_fits_stays_as_it_is(memories):
    messages = conversation(3)
    assert await memories.window(ANN, messages, 10_000) == messages
    assert await memories.window(ANN, [], 100) == []
    assert (await memories.page(ANN)).total == 0


async def test_older_turns_become_a_summary_of_their_own_sentences(memories):
    messages = conversation(12)
    fitted = await memories.window(ANN, messages, 400)
    assert size(fitted) <= 400 + 24
    assert fitted[0] == messages[0] and fitted[-1] == messages[-1]
    assert fitted[1].role == "user" and fitted[1].content.startswith(HEAD)
    assert "flight number" in fitted[1].content
    (kept,) = (await memories.page(ANN, kind="summary")).memories
    assert HEAD + kept.text == fitted[1].content and kept.by == "rules"
    assert await memories.recall(ANN, "Which gate was it?") == []  # of its own conversation alone


async def test_the_summary_goes_on_where_it_ended(memories):
    writer, messages = Summariser(), conversation(12)
    first = await memories.window(ANN, messages, 400, writer=writer)
    assert first[1].content == HEAD + "Summary 1."
    assert await memories.window(ANN, messages, 400, writer=writer) == first  # nothing is asked twice
    longer = [*messages, Message("assistant", "Gate 3. " * 20), Message("user", "And then? " * 20)]
    second = await memories.window(ANN, longer, 400, writer=writer)
    assert second[1].content == HEAD + "Summary 2."
    assert len(writer.asked) == 2
    assert writer.asked[1].startswith("Summary so far:\nSummary 1.\n\nWhat was said next:")
    assert "flight number 0 " not in writer.asked[1]
    assert (await memories.page(ANN)).total == 1


async def test_a_summary_is_corrected_and_erased_like_any_memory(memories):
    writer, messages = Summariser(), conversation(12)
    await memories.window(ANN, messages, 400, writer=writer)
    (kept,) = (await memories.page(ANN)).memories
    await memories.edit(ANN, kept.id, text="They fly at noon.")
    assert (await memories.window(ANN, messages, 400, writer=writer))[1].content == HEAD + "They fly at noon."
    assert "They fly" not in (await memories.window(BOB, messages, 400, writer=writer))[1].content
    await memories.forget(ANN, kept.id)
    assert (await memories.window(ANN, messages, 400, writer=writer))[1].content == HEAD + "Summary 3."


async def test_calls_stay_with_their_results_and_results_of_tools_are_no_summary(memories):
    call = ToolCall(id="1", function=FunctionCall("look", "{}"))
    tools = [Message("assistant", None, tool_calls=[call]), Message("tool", "EVIL result. " * 30, tool_call_id="1")]
    messages = [Message("user", "Look it up for me now."), *tools, *conversation(6)[1:]]
    fitted = await memories.window(ANN, messages, 300)
    assert [message.role for message in fitted].count("tool") == 0
    assert "EVIL" not in "".join(message.text for message in fitted)


async def test_a_model_that_fails_leaves_the_sentences(memories):
    class Broken(Summariser):
        async def write(self, *args):
            raise ModelUnavailable("It is away.")

    fitted = await memories.window(ANN, conversation(12), 400, writer=Broken())
    assert "flight number" in fitted[1].content


async def test_a_newest_turn_that_is_too_long_is_said_to_be(memories):
    with pytest.raises(ContextTooLong, match="does not fit into a window of 50 tokens"):
        await memories.window(ANN, [Message("user", "word " * 500)], 50)

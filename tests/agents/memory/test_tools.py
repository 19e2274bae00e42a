"""Memory as tools of an agent."""

import msgspec
import pytest

from agents.memory.conftest import ANN, BOB
from databases import Stores
from guru.agents.memory.base import Said
from guru.agents.memory.tools import Forget, Recall, Remember
from guru.agents.tools.base import ToolContext
from guru.errors import Forbidden
from guru.store.scope import Scope


@pytest.fixture
def stores():
    """SQLite alone: where the rows are plays no part here."""
    stores = Stores()
    yield stores
    stores.close()


CONTEXT = ToolContext(scope=ANN, run="run_1", call="call_1")


def remember(memories, *texts):
    async def heard(context):
        return [Said(text=text, message=f"msg_{at}") for at, text in enumerate(texts)]

    return Remember(memories, heard)


async def test_what_the_person_said_is_remembered_recalled_and_forgotten(memories):
    tool = remember(memories, "Hello!", "By the way, I collect stamps from Iceland. Anything else?")
    result = await tool.call({"quote": "I collect stamps from Iceland"}, CONTEXT)
    assert (result.failed, result.text) == (False, "Remembered.")
    found = await Recall(memories).call({"question": "Which stamps do I collect?"}, CONTEXT)
    (item,) = found.data
    assert item["memory"]["source"]["run"] == "run_1"
    assert item["memory"]["by"] == "tool"
    assert "I collect stamps from Iceland (2027-" in found.text
    gone = await Forget(memories).call({"id": item["memory"]["id"]}, CONTEXT)
    assert gone.data == {"gone": 1}
    again = await Forget(memories).call({"id": item["memory"]["id"]}, CONTEXT)
    assert (again.failed, again.data) == (False, {"gone": 0})


async def test_the_model_hears_what_became_of_it(memories):
    tool = remember(memories, "I live in Hamburg.", "I moved to Lisbon.")
    assert (await tool.call({"quote": "I live in Hamburg."}, CONTEXT)).text == "Remembered."
    assert (await tool.call({"quote": "I live in Hamburg."}, CONTEXT)).text == "That was known already."
    assert (
        await tool.call({"quote": "I moved to Lisbon."}, CONTEXT)
    ).text == "Remembered, in place of: I live in Hamburg."


@pytest.mark.parametrize(
    "quote", ["I live in Rome.", " ", "live in Hamburg. I", "i live in hamburg", "My password is hunter2"]
)
async def test_what_was_not_said_is_refused_in_words_that_help(memories, quote):
    result = await remember(memories, "I live in Hamburg. I like it. My password is hunter2.").call(
        {"quote": quote}, CONTEXT
    )
    assert result.failed and result.text.startswith("Not remembered: ")
    assert (await memories.page(ANN)).total == 0


async def test_a_tool_reaches_its_own_person_alone(memories):
    result = await remember(memories, "I live in Hamburg.").call({"quote": "I live in Hamburg."}, CONTEXT)
    other = ToolContext(scope=BOB)
    assert (
        await Recall(memories).call({"question": "Where do I live?"}, other)
    ).text == "Nothing is remembered of that."
    assert (await Forget(memories).call({"id": result.data["memory"]["id"]}, other)).data == {"gone": 0}
    assert (await memories.page(ANN)).total == 1


def test_effects_are_said(memories):
    specs = {tool.spec.name: tool.spec for tool in (remember(memories), Recall(memories), Forget(memories))}
    assert {name: (spec.effect, spec.approval) for name, spec in specs.items()} == {
        "remember": ("write", False), "recall": ("read", False), "forget": ("write", True),
    }  # fmt: skip
    assert all(msgspec.json.encode(spec.parameters) for spec in specs.values())


async def test_whoever_may_see_everything_has_a_memory_of_their_own_too(memories):
    """An administrator's scope is nobody's in particular: whoever builds the tools says whose memory it is."""
    everything = ToolContext(scope=Scope("local"))
    with pytest.raises(Forbidden):
        await Recall(memories).call({"question": "Where do I live?"}, everything)
    await memories.remember(ANN, "I live in Hamburg.", kind="user")
    found = await Recall(memories, lambda context: ANN).call({"question": "Where do I live?"}, everything)
    assert found.text.startswith("- I live in Hamburg.")

"""Marks for providers' prompt caches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.config import CacheSettings, ProviderSettings, Settings
from guru.gateway.cache.prompts import MARK, MOST, PromptMarks, has_marks, mark
from guru.types import ChatRequest, FunctionDefinition, Message, TextPart, Tool

LONG = "Every rule of the house, at length. " * 200
TOOL = Tool(FunctionDefinition("weather", "How the weather is."))


def ask(*messages, **more):
    return ChatRequest(model="m", messages=[Message(role=role, content=content) for role, content in messages], **more)


def marked(request):
    """Where the marks are: `tool`, or the place of the message."""
    found = ["tool" for tool in request.tools if tool.cache_control]
    for place, message in enumerate(request.messages):
        if isinstance(message.content, list):
            found += [place for part in message.content if getattr(part, "cache_control", None)]
    return found


def test_long_instructions_are_marked_and_short_ones_are_not():
    request = mark(ask(("system", LONG), ("user", "Hi")), 1024)
    assert request.messages[0].content == [TextPart(LONG, cache_control=MARK)]
    assert request.messages[1].content == "Hi"
    assert marked(mark(ask(("system", "Be brief."), ("user", "Hi")), 1024)) == []


def test_long_tools_are_marked_at_the_last_of_them():
    tools = [Tool(FunctionDefinition(f"f{n}", LONG)) for n in range(3)]
    request = mark(ask(("user", "Hi"), tools=tools), 1024)
    assert [bool(tool.cache_control) for tool in request.tools] == [False, False, True]
    assert not any(tool.cache_control for tool in tools)


def test_a_conversation_is_marked_where_the_last_turn_was_and_this_one_is():
    turns = [("user", LONG), ("assistant", "Yes."), ("user", "And?"), ("assistant", "So."), ("user", "Why?")]
    assert marked(mark(ask(("system", "Be brief."), *turns), 1024)) == [3, 5]


def test_a_document_before_the_question_is_marked():
    request = mark(ask(("user", [TextPart(LONG), TextPart("What does rule 3 say?")])), 1024)
    assert request.messages[0].content == [TextPart(LONG, cache_control=MARK), TextPart("What does rule 3 say?")]


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [Tool(FunctionDefinition("f"), cache_control=MARK)]},
        {"extra": {"cache_control": MARK}},
        {"messages": [Message(role="user", content=[TextPart(LONG, cache_control=MARK)])]},
    ],
)
def test_who_marks_for_himself_is_left_alone(more):
    request = ask(("system", LONG), ("user", LONG), ("user", "Hi"))
    for name, value in more.items():
        setattr(request, name, value)
    assert mark(request, 1024) is request


def test_only_for_providers_that_charge_less():
    settings = Settings(providers={"mine": ProviderSettings(kind="anthropic"), "open": ProviderSettings(kind="openai")})
    marks = PromptMarks(settings)

    class Inner:
        context_length = 100

        def __init__(self, name):
            self.name = name
            self.asked = []

        def chat(self, request):
            self.asked.append(request)

        def complete(self, request):
            self.asked.append(request)

    def sent(name):
        inner = Inner(name)
        marks.model(inner).chat(ask(("system", LONG), ("user", "Hi")))
        return has_marks(inner.asked[0])

    names = ["mine/claude-sonnet-4-5", "anthropic/claude-opus-4-1", "bedrock/anthropic.claude-sonnet-4", "open/gpt-4o",
             "gemini/gemini-2.5-pro", "bedrock/meta.llama3", "local/small"]  # fmt: skip
    assert [sent(name) for name in names] == [True, True, True, False, False, False, False]
    assert not sent("mine/claude-haiku-4-5")  # takes only prefixes of 4,096 tokens
    marks.reload(Settings(cache=CacheSettings(provider_prompts=False)))
    assert not sent("anthropic/claude-sonnet-4-5")


TEXTS = st.sampled_from(["", "Hi", LONG])
ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
MESSAGES = st.lists(st.tuples(ROLES, TEXTS | st.lists(TEXTS.map(TextPart), max_size=3)), max_size=12)


@given(MESSAGES, st.lists(st.just(TOOL), max_size=3), st.sampled_from([1, 1024]))
def test_never_too_many_never_twice_and_nothing_else_changes(messages, tools, minimum):
    request = ask(*messages, tools=tools)
    result = mark(request, minimum)
    assert len(marked(result)) <= MOST
    assert not has_marks(request)
    assert [message.text for message in result.messages] == [message.text for message in request.messages]
    assert [message.role for message in result.messages] == [message.role for message in request.messages]
    if has_marks(result):
        assert mark(result, minimum) is result

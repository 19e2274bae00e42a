"""What the trace of a run says of its steps."""

import pytest

from guru.agents.performing import describe
from guru.agents.steps import Returned, ToolCall


class Noted(dict):
    set = dict.__setitem__


@pytest.mark.parametrize("content", [True, False])
def test_what_a_tool_was_told_and_said_is_in_the_trace_where_content_is_kept(content):
    span = Noted()
    describe(span, ToolCall(name="look", arguments='{"page": 1}'), Returned(text="a page"), content=content)
    assert span.get("gen_ai.tool.call.arguments") == ('{"page": 1}' if content else None)
    assert span.get("gen_ai.tool.call.result") == ("a page" if content else None)
    assert span["guru.tool.failed"] is False

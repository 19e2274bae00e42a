"""Tools of ours for clients of MCP: what needs approval is asked of the person there."""

import pytest

from guru.agents.mcp.client.servers import ServersTools
from guru.agents.mcp.protocol import McpError
from guru.agents.mcp.serving.peer import check_asked
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.server import PAGE, page
from guru.agents.mcp.serving.tools import ContractTools
from guru.agents.tools.function import FunctionTool
from guru.agents.tools.toolbox import Toolbox
from guru.config import McpServerSettings
from guru.store.scope import Scope

MEMBER = Access(scope=Scope("local"), person="user:ann")
VIEWER = Access(scope=Scope("local"), person="user:eye", may_change=False)


class Client:
    """Somebody who answers every question in the same way."""

    kept = None

    def __init__(self, answer=None):
        self.capabilities = {} if answer is None else {"elicitation": {}}
        self.answer, self.asked = answer, []

    async def ask(self, requests):
        check_asked(self.capabilities, requests)
        self.asked += [request["params"]["message"] for request in requests.values()]
        return dict.fromkeys(requests, self.answer)


@pytest.fixture
def sent():
    return []


@pytest.fixture
async def tool(sent):
    def send(to: str) -> dict[str, int]:
        """Send something."""
        sent.append(to)
        return {"sent": len(sent)}

    async def toolbox(access):
        return Toolbox([FunctionTool(send, effect="write", approval=True)])

    [tool] = await ContractTools(toolbox).tools(MEMBER)
    return tool


def test_a_tool_says_what_it_does(tool):
    assert tool.definition["annotations"]["readOnlyHint"] is False
    assert tool.definition["annotations"]["destructiveHint"] is True
    assert tool.definition["outputSchema"]["type"] == "object"


async def test_what_a_person_allows_is_done(tool, sent):
    client = Client({"action": "accept", "content": {"allow": True}})
    result = await tool.call({"to": "bob"}, MEMBER, client)
    assert (result["structuredContent"], sent) == ({"sent": 1}, ["bob"])
    assert "bob" in client.asked[0]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"action": "decline"},
        {"action": "cancel"},
        {"action": "accept", "content": {"allow": False}},
        {"action": "accept"},
    ],
)
async def test_what_nobody_allows_is_not_done(tool, sent, answer):
    result = await tool.call({"to": "bob"}, MEMBER, Client(answer))
    assert (result["isError"], sent) == (True, [])


async def test_a_viewer_changes_nothing(tool, sent):
    with pytest.raises(McpError, match="only look"):
        await tool.call({"to": "bob"}, VIEWER, Client({"action": "accept", "content": {"allow": True}}))
    assert sent == []


def test_long_lists_come_in_pages():
    items, cursor, found = list(range(2 * PAGE + 1)), {}, []
    while True:
        some, more = page(items, cursor)
        found += some
        if not more:
            break
        cursor = {"cursor": more["nextCursor"]}
    assert found == items


class Servers:
    """Two of them, with the lists of who may use them."""

    async def tools(self, wanted):
        servers = [McpServerSettings(), McpServerSettings(allow=["team:legal"], serve=True)]
        return [settings.allow for settings in servers if wanted(settings)]


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (Scope("local"), [[], ["team:legal"]]),
        (Scope("local", ("user:ann",), ("team:legal",)), [[], ["team:legal"]]),
        (Scope("local", ("user:ben",)), [[]]),
        (Scope("acme"), []),
    ],
)
async def test_servers_are_for_those_whom_the_configuration_allows(scope, seen):
    assert await ServersTools(Servers(), "local").tools(scope) == seen
    passed_on = await ServersTools(Servers(), "local", served=True).tools(scope)
    assert passed_on == [allow for allow in seen if allow]

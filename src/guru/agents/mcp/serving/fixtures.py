"""What the official conformance suite calls: tools, resources and prompts that show every part of the protocol.

Mounted by `[mcp] conformance_fixtures`, for tests only. What each must do is written down in the suite:
https://github.com/modelcontextprotocol/conformance (examples/servers/typescript/everything-server.ts).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from guru.agents.mcp.protocol import McpError, invalid_params
from guru.agents.mcp.serving.changes import Changes
from guru.agents.mcp.serving.fixture import Fixture, Work, filled, question, said_in, sampling, text_part
from guru.agents.mcp.serving.fixture_forms import DEFAULTS, ENUMS, PERSON_SCHEMA
from guru.agents.mcp.serving.fixture_tasks import task_fixtures
from guru.agents.mcp.serving.peer import Peer
from guru.agents.mcp.serving.provider import Access, PromptSource, ResourceSource, ServedTool, ToolSource
from guru.agents.mcp.serving.tools import failed, text
from guru.types import JSON

IMAGE: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
AUDIO: Final = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
PERSON: Final[JSON] = {
    "type": "object",
    "properties": {"username": {"type": "string"}, "email": {"type": "string"}},
    "required": ["username", "email"],
}
PICTURE: Final[JSON] = {"type": "image", "data": IMAGE, "mimeType": "image/png"}


class Fixtures:
    """Guru's own, and the suite's besides."""

    def __init__(self, tools: ToolSource, resources: ResourceSource, prompts: PromptSource) -> None:
        self._tools, self._resources, self._prompts = tools, resources, prompts
        self.changes: Changes | None = None
        """Of the server; set when it is made."""
        self._fixtures = [*contents(), *notices(), *asking(), *many_rounds(), *task_fixtures(), *self._triggers()]

    async def tools(self, access: Access) -> Sequence[ServedTool]:
        return [*await self._tools.tools(access), *self._fixtures]

    def _triggers(self) -> list[Fixture]:
        async def tools(arguments: JSON, peer: Peer) -> JSON:
            if self.changes is not None:
                self.changes.changed("tools")
            return text("Mutation triggered")

        async def prompts(arguments: JSON, peer: Peer) -> JSON:
            if self.changes is not None:
                self.changes.changed("prompts")
            return text("Mutation triggered")

        return [
            Fixture("test_trigger_tool_change", "Says that the list of tools has changed", tools),
            Fixture("test_trigger_prompt_change", "Says that the list of prompts has changed", prompts),
        ]

    # -------------------------------------------------------------------- resources

    async def resources(self, access: Access, cursor: str | None) -> tuple[list[JSON], str | None]:
        found, following = await self._resources.resources(access, cursor)
        if cursor is not None:
            return found, following
        own = [
            {"uri": "test://static-text", "name": "static-text", "mimeType": "text/plain"},
            {"uri": "test://static-binary", "name": "static-binary", "mimeType": "image/png"},
            {"uri": "test://watched-resource", "name": "watched-resource", "mimeType": "text/plain"},
        ]
        return [*own, *found], following

    async def templates(self, access: Access) -> list[JSON]:
        own: JSON = {"uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json"}
        return [own, *await self._resources.templates(access)]

    async def read(self, access: Access, uri: str) -> list[JSON] | None:
        if uri == "test://static-text":
            said = "This is the content of the static text resource."
            return [{"uri": uri, "mimeType": "text/plain", "text": said}]
        if uri == "test://static-binary":
            return [{"uri": uri, "mimeType": "image/png", "blob": IMAGE}]
        if uri == "test://watched-resource":
            return [{"uri": uri, "mimeType": "text/plain", "text": "Watched resource content"}]
        if uri.startswith("test://template/") and uri.endswith("/data"):
            name = uri.removeprefix("test://template/").removesuffix("/data")
            said = f'{{"id": "{name}", "templateTest": true, "data": "Data for ID: {name}"}}'
            return [{"uri": uri, "mimeType": "application/json", "text": said}]
        return await self._resources.read(access, uri)

    async def marks(self, access: Access, uris: Sequence[str]) -> dict[str, str]:
        return await self._resources.marks(access, [uri for uri in uris if not uri.startswith("test:")])

    # ---------------------------------------------------------------------- prompts

    async def prompts(self, access: Access) -> Sequence[JSON]:
        two = [{"name": name, "description": "A text", "required": True} for name in ("arg1", "arg2")]
        address = [{"name": "resourceUri", "description": "What to embed", "required": True}]
        own: list[JSON] = [
            {"name": "test_simple_prompt", "description": "Without arguments"},
            {"name": "test_prompt_with_arguments", "description": "With arguments", "arguments": two},
            {"name": "test_prompt_with_embedded_resource", "description": "With a resource", "arguments": address},
            {"name": "test_prompt_with_image", "description": "With an image"},
            {"name": "test_input_required_result_prompt", "description": "Asks the person first"},
        ]
        return [*own, *await self._prompts.prompts(access)]

    async def get(self, access: Access, name: str, arguments: JSON, peer: Peer) -> JSON | None:
        if name == "test_simple_prompt":
            return said_by_user(text_part("This is a simple prompt for testing."))
        if name == "test_prompt_with_arguments":
            one, two = (needed(arguments, key) for key in ("arg1", "arg2"))
            return said_by_user(text_part(f"Prompt with arguments: arg1='{one}', arg2='{two}'"))
        if name == "test_prompt_with_embedded_resource":
            inside = {"uri": needed(arguments, "resourceUri"), "mimeType": "text/plain",
                      "text": "Embedded resource content for testing."}  # fmt: skip
            return said_by_user({"type": "resource", "resource": inside}, text_part("Please process it."))
        if name == "test_prompt_with_image":
            return said_by_user(PICTURE, text_part("Please analyze the image above."))
        if name == "test_input_required_result_prompt":
            form = question("What context should the prompt use?", {"context": {"type": "string"}})
            answers = await peer.ask({"user_context": form})
            return said_by_user(text_part(f"Prompt with context: {filled(answers['user_context'], 'context')}"))
        return await self._prompts.get(access, name, arguments, peer)

    async def complete(self, access: Access, name: str, argument: str, value: str) -> list[str]:
        """For prompts and templates of the suite: it asks for no values."""
        if name.startswith("test"):
            return []
        source = self._resources if "://" in name else self._prompts
        return await source.complete(access, name, argument, value)


def contents() -> list[Fixture]:
    """One tool for each kind of content."""

    def gives(*parts: JSON) -> Work:
        async def work(arguments: JSON, peer: Peer) -> JSON:
            return {"content": list(parts)}

        return work

    async def fail(arguments: JSON, peer: Peer) -> JSON:
        return failed("This tool intentionally returns an error for testing")

    async def echo(arguments: JSON, peer: Peer) -> JSON:
        return text(f"Called with: {arguments}")

    inside = {"uri": "test://embedded-resource", "mimeType": "text/plain",
              "text": "This is an embedded resource content."}  # fmt: skip
    mixed = {"uri": "test://mixed-content-resource", "mimeType": "application/json",
             "text": '{"test": "data", "value": 123}'}  # fmt: skip
    marked = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    return [
        Fixture("test_simple_text", "Text", gives(text_part("This is a simple text response for testing."))),
        Fixture("test_image_content", "An image", gives(PICTURE)),
        Fixture("test_audio_content", "Sound", gives({"type": "audio", "data": AUDIO, "mimeType": "audio/wav"})),
        Fixture("test_embedded_resource", "A resource", gives({"type": "resource", "resource": inside})),
        Fixture(
            "test_multiple_content_types", "Text, an image and a resource",
            gives(text_part("Multiple content types test:"), PICTURE, {"type": "resource", "resource": mixed}),
        ),
        Fixture("test_error_handling", "An error", fail),
        Fixture("json_schema_2020_12_tool", "Takes what a full JSON Schema says", echo, PERSON_SCHEMA),
        Fixture("test_marked_parameter", "Repeats a parameter in a header", echo, marked),
    ]  # fmt: skip


def notices() -> list[Fixture]:
    """Tools that tell of their progress, or write a log."""

    async def log(arguments: JSON, peer: Peer) -> JSON:
        for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await peer.log("info", said)
            await asyncio.sleep(0.05)
        return text("Tool with logging executed successfully")

    async def progress(arguments: JSON, peer: Peer) -> JSON:
        for done in (0, 50, 100):
            await peer.progress(done, 100, f"Completed step {done} of 100")
            await asyncio.sleep(0.05)
        return text("Done")

    async def reconnect(arguments: JSON, peer: Peer) -> JSON:
        await asyncio.sleep(0.05)
        peer.hang_up()
        await asyncio.sleep(0.1)
        return text("Reconnection test completed successfully.")

    async def log_once(arguments: JSON, peer: Peer) -> JSON:
        await peer.log("info", "Diagnostic trace logging activated")
        return text("Logging evaluated")

    async def stream(arguments: JSON, peer: Peer) -> JSON:
        await peer.ask({"go": question("Go on?", {"yes": {"type": "boolean"}})})
        return text("Streaming complete")

    return [
        Fixture("test_tool_with_logging", "Writes a log", log),
        Fixture("test_tool_with_progress", "Tells of its progress", progress),
        Fixture("test_reconnection", "Closes the stream, and goes on", reconnect),
        Fixture("test_logging_tool", "Writes a log, if it was asked for", log_once),
        Fixture("test_streaming_elicitation", "Asks the person", stream),
    ]


def asking() -> list[Fixture]:
    """Tools that ask the client for something once."""

    async def sample(arguments: JSON, peer: Peer) -> JSON:
        answers = await peer.ask({"sample": sampling(str(arguments.get("prompt", "")), 100)})
        return text(f"LLM response: {said_in(answers['sample'])}")

    def elicit(default: str, schema: JSON | None = None) -> Work:
        async def work(arguments: JSON, peer: Peer) -> JSON:
            wanted = schema or PERSON
            params = {"mode": "form", "message": arguments.get("message", default), "requestedSchema": wanted}
            answers = await peer.ask({"form": {"method": "elicitation/create", "params": params}})
            answer = answers["form"]
            return text(f"Elicitation completed: action={answer['action']}, content={answer.get('content', {})}")

        return work

    async def needs_sampling(arguments: JSON, peer: Peer) -> JSON:
        if "sampling" not in peer.capabilities:
            await peer.ask({"sample": sampling("Hello", 10)})
        return text("Success")

    takes = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}
    shows = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    return [
        Fixture("test_sampling", "Asks the client's model", sample, takes),
        Fixture("test_elicitation", "Asks the person", elicit("Say something"), shows),
        Fixture("test_elicitation_sep1034_defaults", "A form with defaults", elicit("Please review", DEFAULTS)),
        Fixture("test_elicitation_sep1330_enums", "A form with choices", elicit("Please choose", ENUMS)),
        Fixture("test_missing_capability", "Needs a client with a model", needs_sampling),
    ]


def many_rounds() -> list[Fixture]:
    """Tools of the modern revision's multi-round requests."""

    name = question("What is your name?", {"name": {"type": "string"}})
    confirm = question("Please confirm", {"ok": {"type": "boolean"}})
    roots: JSON = {"method": "roots/list", "params": {}}

    async def elicitation(arguments: JSON, peer: Peer) -> JSON:
        answers = await peer.ask({"user_name": name})
        return text(f"Hello, {filled(answers['user_name'], 'name')}!")

    async def sample(arguments: JSON, peer: Peer) -> JSON:
        answers = await peer.ask({"sample_request": sampling("What is the capital of France?", 100)})
        return text(f"Sampling result: {said_in(answers['sample_request'])}")

    async def list_roots(arguments: JSON, peer: Peer) -> JSON:
        answers = await peer.ask({"roots_request": roots})
        return text(f"Found {len(answers['roots_request']['roots'])} root(s)")

    async def state(arguments: JSON, peer: Peer) -> JSON:
        await peer.ask({"confirm": confirm})
        return text("state-ok: requestState validated")

    async def several(arguments: JSON, peer: Peer) -> JSON:
        asked = {"user_name": name, "greeting": sampling("Generate a greeting", 50), "client_roots": roots}
        answers = await peer.ask(asked)
        who, greeting = filled(answers["user_name"], "name"), said_in(answers["greeting"])
        return text(f"Name: {who}; Greeting: {greeting}; Roots: {len(answers['client_roots']['roots'])}")

    async def rounds(arguments: JSON, peer: Peer) -> JSON:
        first = await peer.ask({"step1": question("Step 1: What is your name?", {"name": {"type": "string"}})})
        form = question("Step 2: What is your favorite color?", {"color": {"type": "string"}})
        second = await peer.ask({"step2": form})
        who, color = filled(first["step1"], "name"), filled(second["step2"], "color")
        return text(f"Multi-round complete for {who} who likes {color}")

    async def sealed(arguments: JSON, peer: Peer) -> JSON:
        await peer.ask({"confirm": confirm})
        return text("integrity-ok: state verified")

    async def capable(arguments: JSON, peer: Peer) -> JSON:
        asked: dict[str, JSON] = {}
        if "elicitation" in peer.capabilities:
            asked["elicit_input"] = question("Elicitation input", {"value": {"type": "string"}})
        if "sampling" in peer.capabilities:
            asked["sample_input"] = sampling("Sample request", 50)
        answers = await peer.ask(asked) if asked else {}
        return text(f"capabilities-ok: received {','.join(answers)}")

    made: dict[str, Work] = {
        "elicitation": elicitation, "sampling": sample, "list_roots": list_roots, "request_state": state,
        "multiple_inputs": several, "multi_round": rounds, "tampered_state": sealed, "capabilities": capable,
    }  # fmt: skip
    return [
        Fixture(f"test_input_required_result_{name}", "Asks before it answers", work) for name, work in made.items()
    ]


def said_by_user(*parts: JSON) -> JSON:
    return {"messages": [{"role": "user", "content": part} for part in parts]}


def needed(arguments: JSON, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise McpError(invalid_params("").code, f"The argument {name!r} is missing.")
    return value

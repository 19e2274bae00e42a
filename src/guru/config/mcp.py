"""What can be configured of the Model Context Protocol: `[mcp]`, and a table `[mcp.servers.NAME]` for each server."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from guru.config.base import Positive, Seconds, Section


class McpServerSettings(Section):
    """A server of somebody else, whose tools agents may use: a `url`, or a `command`."""

    url: str | None = None
    """Where it listens, such as `https://tools.example/mcp`."""
    headers: dict[str, str] = {}
    """Sent with every request, such as `{ authorization = "env:TOOLS_TOKEN" }`."""
    command: list[str] = []
    """The program and its arguments, which speaks over its standard streams. Needs `[mcp] allow_stdio`."""
    env: dict[str, str] = {}
    """The program's environment besides PATH, HOME and the like: it gets no other variable, and so no secret."""
    cwd: str | None = None
    """Where the program runs."""
    tools: list[str] = field(default_factory=lambda: ["*"])
    """The tools that may be used, by name; `*` stands for anything."""
    allow: list[str] = []
    """Who may use them, besides administrators, as `user:NAME`, `team:NAME` and `key:ID`; empty: everybody of the
    organisation whose server it is."""
    serve: bool = False
    """Whether `/mcp` passes its tools on to those who may use them, and its questions to the client that calls one."""
    trusted: bool = False
    """Whether what the server says of its tools is believed: that one only reads needs no approval then."""
    approval: Literal["always", "writes", "never"] = "writes"
    """Which calls a person must allow: all, those that may change something, or none."""
    timeout: Seconds = 60.0
    """How long a call may take, in seconds."""
    roots: list[str] = []
    """Folders that the server is told of, where it asks what it may work on."""
    sampling_model: str | None = None
    """The model that the server may ask. None: it may ask none."""
    sampling_tokens: Positive = 1000
    """The longest answer that it gets from it."""
    sampling_calls: Positive = 10
    """How often it may ask the model during one call of a tool."""
    elicitation: bool = True
    """Whether the server may ask the person whose agent, or whose client of `/mcp`, calls it: to fill in a form, or to
    open an address."""
    elicitation_seconds: Seconds = 900.0
    """How long a call of a server of 2025-11-25 is kept open for the answer, in seconds. For a run of an agent, servers
    of 2026-07-28 wait for as long as it takes; a client of `/mcp` has this time for every answer."""
    scopes: list[str] = []
    """Of OAuth, asked for by `guru mcp login`; empty: those that the server names."""
    client_id: str | None = None
    """Of OAuth, where the server's authorization server was told of this client before."""
    client_secret: str | None = None
    """Of OAuth, with `client_id`. Write `"env:NAME"`."""
    private: bool = True
    """Whether its address, and those that it names for OAuth, may be of a private network."""


class McpSettings(Section):
    serve: bool = True
    """Whether `/mcp` serves Guru's tools, documents and prompts."""
    authorization_servers: list[str] = []
    """Addresses of OAuth servers whose access tokens are keys of Guru; named in the metadata of `/mcp` (RFC 9728)."""
    allow_stdio: bool = False
    """Whether servers that are programs are started. They run as the user that Guru runs as."""
    conformance_fixtures: bool = False
    """Whether `/mcp` also serves what the official conformance suite calls. For tests only."""
    servers: dict[str, McpServerSettings] = {}
    """Servers of others, by name; see below."""

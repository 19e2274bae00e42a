"""What can be configured of tools: but for the calculator and the documents, what has no table is not offered."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from guru.config.base import Positive, Seconds, Section

ToolName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class PythonToolSettings(Section):
    """Python that models write, in a process that reaches nothing: see [tools](tools.md#python)."""

    timeout_seconds: Seconds = 10.0
    """After which it is stopped."""
    memory_mb: Annotated[int, Meta(ge=64)] = 512
    """Address space of the process, Python itself included."""
    output_kb: Positive = 64
    """Of what it prints; what is more is cut, and that is said."""
    at_once: Positive = 2
    """Processes at a time; others wait."""


class WebToolSettings(Section):
    """Pages that a model asks for."""

    max_page_mb: Positive = 5
    """A bigger page is refused."""
    timeout_seconds: Seconds = 30.0
    """For all of a call, redirects included."""
    characters: Positive = 20_000
    """Of a page that a call shows; the model can ask for the rest."""
    hosts: list[str] = []
    """The only hosts that may be asked, such as `docs.python.org` or `*.wikipedia.org`; empty: any that is public."""


class WebSearchToolSettings(Section):
    """Search in the web, by one of three APIs."""

    provider: Literal["brave", "tavily", "searxng"]
    """`brave` and `tavily` want a key, `searxng` the address of an instance whose JSON format is on."""
    api_key: str | None = None
    """The key. Write `"env:NAME"`."""
    url: str | None = None
    """The address, where it is not the provider's own."""
    results: Annotated[int, Meta(ge=1, le=20)] = 5
    """How many results a search shows."""


class WeatherToolSettings(Section):
    """Weather by Open-Meteo, which wants no key for uses that are not commercial."""

    url: str = "https://api.open-meteo.com"
    """Where forecasts are."""
    geocoding_url: str = "https://geocoding-api.open-meteo.com"
    """Where places are looked up."""
    api_key: str | None = None
    """Of a customer of Open-Meteo. Write `"env:NAME"`."""


class NewsToolSettings(Section):
    """News by the feeds of sites, and by GDELT's index of the world's news."""

    feeds: list[str] = []
    """Addresses of RSS and Atom feeds."""
    gdelt: bool = False
    """Whether the index of the GDELT project is searched, too."""
    gdelt_url: str = "https://api.gdeltproject.org"
    """Where it is."""
    results: Annotated[int, Meta(ge=1, le=50)] = 10
    """How many pieces of news a call shows."""


class SqlToolSettings(Section):
    """A database that models may ask, and change nothing in. The table's name is in the tool's: `query_NAME`."""

    url: str
    """`sqlite:///path/of/file.db` or `postgresql://user:password@host/database`. Write `"env:NAME"`."""
    description: str = ""
    """What is in it: the model reads it."""
    tables: list[str] = []
    """The only tables and views that may be read; empty: all."""
    role: str | None = None
    """The role that queries run as, of PostgreSQL: one that may only read."""
    max_rows: Positive = 200
    """Of a result; the others are left out, and that is said."""
    max_kb: Positive = 256
    """Of a result."""
    timeout_seconds: Seconds = 15.0
    """After which the database stops the query."""
    allow: list[str] = []
    """Who may use it, besides administrators: `user:anna`, `team:sales`, `key:key_...`; empty: everybody of the
    organisation whose server it is."""


class FilesToolSettings(Section):
    """A folder that models may look into. The table's name begins the tools': `NAME_read`."""

    root: str
    """The folder. Nothing outside of it is reached, by links neither."""
    description: str = ""
    """What is in it: the model reads it."""
    write: bool = False
    """Whether files can be written, too. A person says yes to each."""
    max_file_kb: Positive = 1024
    """Of a file that is read or written."""
    allow: list[str] = []
    """As for databases."""


class OpenApiToolSettings(Section):
    """A service that an OpenAPI document (3.0 or 3.1) describes: one tool for each operation, called
    `NAME_OPERATION`."""

    document: str
    """The document, JSON or YAML: a file, or an address."""
    url: str | None = None
    """Where the service is; none: the first server that the document names."""
    headers: dict[str, str] = {}
    """Sent with every request, such as `{ authorization = "env:NAME" }`."""
    query: dict[str, str] = {}
    """Parameters that every request has in its address, such as keys."""
    operations: list[str] = []
    """Only these, by their `operationId`; empty: all, up to `max_operations`."""
    max_operations: Positive = 40
    """More would only confuse a model; the others are left out, and that is logged."""
    private: bool = False
    """Whether the service may be at a private or loopback address."""
    approve: Literal["writes", "all", "none"] = "writes"
    """Which calls a person says yes to: all but GET and HEAD, all, or none."""
    max_kb: Positive = 256
    """Of an answer."""
    timeout_seconds: Seconds = 30.0
    """For a call."""
    allow: list[str] = []
    """As for databases."""


class ToolsSettings(Section):
    """What models can do besides writing."""

    result_characters: Positive = 20_000
    """Of a result that a model is shown; what is more is cut, and that is said."""
    private_hosts: list[str] = []
    """Hosts (`wiki.corp`, `wiki.corp:8080`) that the web tools may ask although they have private addresses."""
    confirm: list[str] = []
    """Tools that a person says yes to each call of, besides those that always want it: names and patterns."""
    python: PythonToolSettings | None = None
    """Python in a sandbox."""
    web: WebToolSettings | None = None
    """Pages of the web."""
    search: WebSearchToolSettings | None = None
    """Search in the web."""
    weather: WeatherToolSettings | None = None
    """Weather."""
    news: NewsToolSettings | None = None
    """News."""
    sql: dict[ToolName, SqlToolSettings] = field(default_factory=dict)
    """Databases."""
    files: dict[ToolName, FilesToolSettings] = field(default_factory=dict)
    """Folders."""
    openapi: dict[ToolName, OpenApiToolSettings] = field(default_factory=dict)
    """Services."""

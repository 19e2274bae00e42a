"""What can be configured: one class for each table of `guru.toml`, here or in a file of its own beside this one.

docs/configuration.md is made from these files.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from guru.config.access import KeySettings, TeamSettings
from guru.config.agent import AgentSettings
from guru.config.base import NotNegative, Port, Positive, Seconds, Section, Share
from guru.config.knowledge import KnowledgeSettings
from guru.config.mcp import McpSettings
from guru.config.models import AliasSettings, CacheSettings, PriceSettings, ProviderSettings
from guru.config.tools import ToolsSettings


class ServerSettings(Section):
    host: str = "127.0.0.1"
    """The address to listen on. One that is not a loopback address needs keys: see [keys](keys.md)."""
    port: Port = 8080
    """0 takes a free one; the address is printed."""
    allowed_hosts: list[str] = []
    """Host names, besides loopback ones, that a request's Host header may carry (DNS rebinding is refused)."""
    cors_origins: list[str] = []
    """Origins of web pages, such as `https://app.example`, whose scripts may call the API; `*`, any, needs keys."""
    max_body_mb: Positive = 512
    """The largest request, uploads included, in megabytes."""
    require_key: bool | None = None
    """Whether a request needs a key. None: not on a loopback address, and always on any other."""


class LocalSettings(Section):
    """The llama.cpp worker. None: chosen from the machine."""

    threads: Positive | None = None
    """Threads that decode."""
    slots: Positive | None = None
    """Requests that are answered at the same time; more share the decoder and get slower each."""
    context_length: Positive | None = None
    """Tokens that one request may hold, prompt and answer."""
    idle_unload_seconds: Seconds = 900.0
    """The model is unloaded after so long without a request; the next one loads it again."""
    heartbeat_seconds: Seconds = 20.0
    """A worker that has not answered a ping for so long is taken to hang and is restarted."""
    embed_threads: Positive | None = None
    """Threads that embed."""


class StoreSettings(Section):
    url: str | None = None
    """Where rows live, as `postgresql://user:password@host:5432/database`; None is SQLite in the home."""
    connections: Annotated[int, Meta(ge=3)] = 6
    """How many connections to PostgreSQL one server opens at most."""
    index: Literal["auto", "memory", "pgvector"] = "auto"
    """Where collections are searched: in PostgreSQL by pgvector, or in the memory of each server. `auto`: by pgvector
    where it is there or can be made."""
    blobs: str | None = None
    """The folder of the original files, which several servers share; None is `blobs` in the home."""


class RedisSettings(Section):
    url: str | None = None
    """Where several servers share limits and cached answers, as `redis://host:6379/0`; None: each in its memory."""


class HubSettings(Section):
    url: str = "https://huggingface.co"
    """The hub, or a mirror of it."""
    token: str | None = None
    """For models that want one. Write `"env:HF_TOKEN"`."""


class TelemetrySettings(Section):
    """Spans sent to an OpenTelemetry collector."""

    otlp_endpoint: str | None = None
    """Such as `http://localhost:4318`; None: nothing is sent."""
    headers: dict[str, str] = {}
    """Sent with every batch, such as a token."""
    content: bool = False
    """Whether prompts and answers are sent with the spans."""


class TraceSettings(Section):
    days: Positive | None = 30
    """How long traces are kept."""
    content: bool = True
    """Whether prompts and answers are kept with their traces."""


class BatchSettings(Section):
    concurrency: Positive = 8
    """Lines of one batch that are asked at a time."""
    at_once: Positive = 2
    """Batches that run at a time; the others wait."""
    max_lines: Positive = 50_000
    """The longest batch."""
    retries: NotNegative = 5
    """How often a line is asked again that met a limit or a model that was not there."""
    provider: bool = False
    """Use the provider's own batch endpoint, cheaper and slower, where one provider has all models of a batch."""


class MemorySettings(Section):
    """What is remembered of people: see [memory](memory.md)."""

    enabled: bool = False
    """Whether conversations use memory that do not say whether they do. Requests to other APIs always have to ask."""
    model: str | None = None
    """The model that finds what is worth remembering, and writes summaries; None: the one that answers. A small model
    is not asked: rules find it, and summaries are made of the conversation's own sentences."""
    recalled: Annotated[int, Meta(ge=1, le=50)] = 6
    """How many memories a model is shown at most."""
    min_relevance: Share = 0.25
    """Cosine under which a memory has nothing to do with a question."""
    half_life_days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0
    """After so long without being used a memory counts half as recent."""
    relevance_weight: Annotated[float, Meta(gt=0, le=100)] = 1.0
    """Of the cosine, in the score by which memories are chosen."""
    recency_weight: Annotated[float, Meta(ge=0, le=100)] = 0.2
    """Of how recently it was used."""
    importance_weight: Annotated[float, Meta(ge=0, le=100)] = 0.2
    """Of how much it matters."""
    max_memories: Annotated[int, Meta(ge=1, le=100_000)] = 2000
    """Of one person, superseded ones included. The least important and oldest go, and that is said."""
    max_characters: Annotated[int, Meta(ge=20, le=20_000)] = 1000
    """Of one memory; a longer one is refused."""
    window_tokens: Positive | None = None
    """Tokens of a conversation with memory that a model is shown, the older ones as a running summary; None: all."""


class PromptSettings(Section):
    """The library of prompts."""

    folder: str | None = None
    """Prompts as files, `NAME.toml`, which the library follows. None: the folder `prompts` in the home, if there is
    one."""
    protected: list[str] = field(default_factory=lambda: ["prod"])
    """Labels that only administrators move."""


class WorkflowSettings(Section):
    """Limits of workflows, and what the resources of imported ones stand for: see [workflows](workflows.md)."""

    at_once: Positive = 16
    """Runs that work at a time; those that wait take no place."""
    concurrency: Positive = 16
    """Items or branches of one step, and tasks of a whole run, that are worked on at a time."""
    max_steps: Positive = 10_000
    """Steps that one run may take."""
    max_data_kb: Positive = 1024
    """What a run is given, and what one step may give, in kilobytes."""
    max_run_mb: Positive = 64
    """What one run may keep of all its steps, in megabytes."""
    resources: dict[str, str | dict[str, Any]] = {}
    """Of Amazon States Language: a `Resource`, and the tool or the fields of the step that it stands for."""


class RunSettings(Section):
    """How long runs of [agents](agents.md) and [workflows](workflows.md) are kept."""

    days: NotNegative = 90
    """After its end; 0: until somebody removes it. A run that has not ended stays, however long it waits."""


class Settings(Section):
    server: ServerSettings = field(default_factory=ServerSettings)
    local: LocalSettings = field(default_factory=LocalSettings)
    knowledge: KnowledgeSettings = field(default_factory=KnowledgeSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    hub: HubSettings = field(default_factory=HubSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    traces: TraceSettings = field(default_factory=TraceSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    batches: BatchSettings = field(default_factory=BatchSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    tools: ToolsSettings = field(default_factory=ToolsSettings)
    mcp: McpSettings = field(default_factory=McpSettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    workflows: WorkflowSettings = field(default_factory=WorkflowSettings)
    runs: RunSettings = field(default_factory=RunSettings)
    providers: dict[str, ProviderSettings] = {}
    models: dict[str, AliasSettings] = {}
    keys: dict[str, KeySettings] = {}
    teams: dict[str, TeamSettings] = {}
    prices: dict[str, PriceSettings] = {}
    agents: dict[str, AgentSettings] = {}

    @property
    def aliases(self) -> dict[str, str]:
        """Alias to the `provider/model` of its first deployment."""
        return {alias: model.deployments[0].model for alias, model in self.models.items()}

"""What can be configured: one class for each table of `guru.toml`. docs/configuration.md is made from this file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from guru.config.agent import AgentSettings
from guru.config.base import (
    Allowed,
    Chunking,
    Dollars,
    IndexKind,
    NotNegative,
    OcrLanguage,
    Percentile,
    Port,
    Positive,
    Role,
    Seconds,
    Section,
    Share,
)
from guru.config.mcp import McpSettings
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


class WebSettings(Section):
    """How web pages are fetched; robots.txt always holds."""

    max_pages: Positive = 1000
    """Of a sitemap; the others are left out, and that is said."""
    max_page_mb: Positive = 20
    """A bigger page or file is refused."""
    max_total_mb: Positive = 1000
    """Of all that one ingest fetches."""
    max_seconds: Seconds = 7200.0
    """For all that one ingest fetches."""
    timeout_seconds: Seconds = 60.0
    """A page that takes longer is given up."""
    concurrency: Positive = 2
    """Pages that are fetched at the same time."""
    delay_seconds: Annotated[float, Meta(ge=0)] = 0.5
    """Between two requests to one site; more where its robots.txt asks for more."""
    private_hosts: list[str] = []
    """Hosts (`wiki.corp`, `wiki.corp:8080`) that may have private or loopback addresses; all others may not."""


class S3Settings(Section):
    """Where `s3://bucket` is. Credentials come from where all of Amazon's tools look for them."""

    endpoint_url: str | None = None
    """Of a store that speaks S3, such as `http://minio:9000`; none: Amazon's own."""
    region: str | None = None
    """The region; none: as Amazon's own configuration says."""
    profile: str | None = None
    """The profile whose credentials are used; none: the usual order (variables, files, the machine's role)."""
    max_objects: Positive = 100_000
    """Of one bucket or prefix; the others are left out, and that is said."""


class MapReduceSettings(Section):
    """Limits of one answer over many documents. Documents beyond them are named in the answer."""

    documents: Positive = 50
    """How many documents are read, the most relevant ones."""
    passages: Positive = 3
    """Of each document, at most so many."""
    calls: Positive = 24
    """Calls of the model."""
    tokens: Positive = 120_000
    """Tokens that all of them may have, prompts and answers together, as estimated before each."""
    seconds: Seconds = 300.0
    """After which no further call begins, and those that run are given up."""
    concurrency: Positive = 4
    """Calls at the same time."""
    threshold: Share = 0.1
    """Confidence under which a document says nothing to the question."""


class VectorStoreSettings(Section):
    """Where vectors are kept by another program: see [stores](stores.md)."""

    url: str | None = None
    """The address of its server, such as `http://qdrant:6333`; of Pinecone, that of the index."""
    path: str | None = None
    """In place of a server: where it keeps its files in this process. Qdrant, Chroma and Milvus can do that."""
    api_key: str | None = None
    """The key. Write `"env:NAME"`, so that it stays out of the file."""
    timeout_seconds: Annotated[float, Meta(ge=1, le=600)] = 10.0
    """After which a server counts as away, and what it has is searched here."""
    grpc_url: str | None = None
    """Of Weaviate, where its gRPC is not on port 50051 of the same host."""
    tenant: str | None = None
    """Of Chroma, where it is not the usual one."""
    database: str | None = None
    """Of Chroma and Milvus, where it is not the usual one."""


class KnowledgeSettings(Section):
    chunking: Chunking = "recursive"
    """How documents are cut; a collection may choose another way: see [knowledge](knowledge.md#chunks)."""
    chunk_tokens: Positive = 200
    """The size of a chunk, in tokens of the embedding model; chosen by measurement."""
    chunk_overlap: NotNegative = 40
    """Tokens that a chunk shares with the one before it."""
    parent_tokens: Positive = 800
    """What is read around a chunk that was found, in tokens, where `chunking` is `hierarchical`."""
    semantic_percentile: Percentile = 90.0
    """Where `chunking` is `semantic`: the share, in per cent, of the gaps between sentences that are not cut."""
    embedding_cache_mb: NotNegative = 512
    """Vectors of texts that were embedded before, so that no model is asked twice for the same; 0: none are kept."""
    embedding_cache_days: Positive = 30
    """Those that were not used for so long are removed."""
    previous_vectors_days: Positive = 7
    """How long a collection that has changed its embedding model can go back, and takes the room of both."""
    passages: Positive = 6
    """How many passages an answer may draw on."""
    threshold: Share = 0.24
    """Confidence under which the answer is "not in the documents"; benchmarks/answers.md shows the curve."""
    reader: bool = True
    """Whether a small model reads the passages that were found: it orders them, finds the words that answer, and tells
    what is not there."""
    max_file_mb: Positive = 200
    """A bigger file is refused, by name."""
    max_archive_mb: Positive = 1024
    """A ZIP archive that is bigger is refused; of one that unpacks to more, the members beyond are."""
    ocr_languages: list[OcrLanguage] = field(default_factory=lambda: ["eng"])
    """Tesseract's names of the languages in pictures and scanned pages, such as `["eng", "deu"]`; `[]`: no OCR."""
    ocr_timeout_seconds: Seconds = 1800.0
    """Recognising the text of one file may take so long, all its pages together."""
    parse_timeout_seconds: Seconds = 120.0
    """A file that takes longer to read is refused."""
    parse_memory_mb: Positive = 2048
    """Memory that reading one file may take."""
    follow_ups: Literal["join", "model"] = "join"
    """What is searched for after a question that leans on the one before: both of them, or one that a model writes."""
    query_model: str | None = None
    """The model that writes queries. None: the one that answers, or `default` for a search alone."""
    query_tokens: Positive = 256
    """Tokens that it may write for each question that it is asked."""
    query_seconds: Seconds = 10.0
    """After which the question is searched for as it is."""
    rerank: str = "off"
    """The model that reorders the best passages of every search that does not say which: such as `rerank`."""
    rerank_seconds: Seconds = 20.0
    """After which the order is the one before."""
    source_order: Literal["ranked", "edges"] = "ranked"
    """Where the best passages stand in the prompt: `edges` puts them first and last, the others between, for models
    that overlook what is in the middle. Small models are shown the best alone."""
    conflicts: bool = True
    """Whether an answer says where its sources disagree."""
    map_reduce: MapReduceSettings = field(default_factory=MapReduceSettings)
    """Limits of answers over many documents."""
    ray: str | None = None
    """The Ray cluster that parses and embeds, such as `10.0.0.5:6379`, or `local` for the cores of this machine; None:
    this process. A command may name another."""
    web: WebSettings = field(default_factory=WebSettings)
    """How web pages are fetched."""
    s3: S3Settings = field(default_factory=S3Settings)
    """Where buckets are."""
    index: IndexKind = "embedded"
    """What finds the passages of collections that have not been moved elsewhere: see [stores](stores.md)."""
    qdrant: VectorStoreSettings | None = None
    """Where Qdrant is."""
    milvus: VectorStoreSettings | None = None
    """Where Milvus is."""
    weaviate: VectorStoreSettings | None = None
    """Where Weaviate is."""
    pinecone: VectorStoreSettings | None = None
    """Where the index of Pinecone is."""
    chroma: VectorStoreSettings | None = None
    """Where Chroma is."""


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


class ProviderSettings(Section):
    """Where models are reached. The table's name is the first half of `provider/model`."""

    kind: str | None = None
    """Which provider it is, where the table's name does not say so: `openai-compatible`, `azure`, `vllm` ..."""
    api_key: str | None = None
    """The key. Write `"env:NAME"`, so that it stays out of the file."""
    base_url: str | None = None
    """The address, where it is not the provider's own."""
    api_version: str | None = None
    """For providers that version their API by a parameter, as Azure does."""
    organization: str | None = None
    """OpenAI's organisation."""
    project: str | None = None
    """OpenAI's or Google's project."""
    region: str | None = None
    """The cloud region, where there is one."""
    profile: str | None = None
    """The AWS profile whose credentials are used."""
    headers: dict[str, str] = {}
    """Sent with every request."""
    models: list[str] = []
    """Models to list under /v1/models; any other name of the provider can be called too."""
    drop_params: list[str] = []
    """Parameters that are left out, instead of refused, where this provider does not take them."""
    timeout: Seconds = 600.0
    """Seconds until an answer begins."""
    connect_timeout: Seconds = 10.0
    """Seconds until there is a connection."""
    max_connections: Positive = 512
    """Connections at once; further requests wait for one."""
    verify_tls: bool = True
    """Whether its certificate must be right."""
    allow_private: bool = True
    """Whether the address may be one of a private network."""
    health_seconds: Seconds | None = None
    """Between active checks of its deployments; none: their health is known from requests alone."""
    health_path: str | None = None
    """Asked with GET by active health checks, in place of the list of models."""


class Deployment(Section):
    """One model behind an alias."""

    model: str
    """`provider/model`."""
    weight: Annotated[float, Meta(ge=0)] = 1.0
    """Its share among the others, for the strategy `weighted`."""
    label: str | None = None
    """What it is called in releases, metrics and traces."""
    priority: NotNegative = 0
    """The lowest is tried first; the others when all of it are unavailable."""
    tags: list[str] = []
    """For your own order; shown in the API."""
    region: str | None = None
    """Where it runs; shown in the API."""
    languages: list[str] = []
    """Languages (ISO 639-1) that it is chosen for by the strategy `language`; empty: any."""
    difficulty: Literal["simple", "hard"] | None = None
    """What it is chosen for by the strategy `difficulty`."""
    context_length: Positive | None = None
    """Tokens, where the catalogue does not know the model."""
    timeout: Seconds | None = None
    """Seconds until its answer begins, in place of the alias's."""
    concurrency: Positive | None = None
    """More at once than this go to another deployment."""


class ReleaseSettings(Section):
    """How a new version takes over. Shares and stops can also be changed at run time with `guru releases`."""

    candidate: str
    """The label of the deployment that is tried. Of a prompt, see [releases](releases.md#versions-of-a-prompt): the
    version."""
    kind: Literal["ab", "canary", "blue-green", "shadow"] = "canary"
    """`ab` compares for as long as you like, `canary` grows through `steps`, `blue-green` switches at once,
    `shadow` mirrors."""
    baseline: str | None = None
    """The label it is compared with; None: all others."""
    share: Share = 0.05
    """Of the users, who get the candidate; of the requests, that are mirrored to a shadow."""
    sticky: Literal["user", "key", "conversation", "none"] = "user"
    """What keeps its variant."""
    steps: list[Share] = []
    """Shares that the candidate is promoted through, while nothing is worse: `[0.05, 0.25, 1.0]`."""
    max_error_increase: Annotated[float, Meta(ge=0)] = 0.02
    """How much larger the candidate's share of errors may be."""
    max_latency_increase: Annotated[float, Meta(ge=0)] = 0.2
    """Relative."""
    max_cost_increase: Annotated[float, Meta(ge=0)] = 0.2
    """Relative."""
    max_quality_decrease: Annotated[float, Meta(ge=0)] = 0.05
    """Of the mean score that feedback gives, 0 to 1."""
    confidence: Annotated[float, Meta(gt=0.5, lt=1)] = 0.95
    """Of every verdict, however often one looks."""
    min_requests: Positive = 100
    """Of each variant, before there is a verdict."""
    rollback: bool = True
    """Stop by itself when the candidate is worse."""


class LimitSettings(Section):
    rpm: Allowed | None = None
    """Requests a minute."""
    tpm: Allowed | None = None
    """Tokens a minute, prompt and answer."""
    concurrency: Allowed | None = None
    """Requests at the same time."""


class BudgetSettings(Section):
    usd: Dollars
    """US dollars."""
    per: Literal["day", "month"] = "month"
    """Calendar days and months in UTC."""


class ContextSettings(Section):
    """What is done with a prompt that does not fit the model."""

    policy: Literal["error", "window", "summarize", "map-reduce"] = "error"
    """`error` says so; `window` leaves out the oldest turns; `summarize` puts a summary in their place;
    `map-reduce` reads a long text in parts."""
    larger: str | None = None
    """A model with a larger context, tried before the policy."""
    reserve: Positive | None = None
    """Tokens kept free for the answer, where the request does not say `max_tokens`."""


class AliasSettings(Section):
    """A name over deployments."""

    deployments: Annotated[list[Deployment], Meta(min_length=1)]
    """The models behind the name: see below."""
    strategy: Literal["weighted", "least-busy", "latency", "cost", "difficulty", "language", "context"] = "weighted"
    """How a deployment is chosen: see [routing](routing.md)."""
    fallbacks: list[str] = []
    """Models or aliases, tried in order when every deployment has failed."""
    timeout: Seconds = 600.0
    """For the whole request, retries and fallbacks included."""
    first_token_timeout: Seconds | None = None
    """After which the next deployment is tried."""
    idle_timeout: Seconds = 120.0
    """Silence in the middle of a stream after which it counts as cut."""
    retries: NotNegative = 2
    """Further attempts, over all deployments."""
    retry_after_first_token: bool = False
    """Begin anew when a stream is cut, and leave out what was already sent. The second answer may differ."""
    hedge_after: Seconds | None = None
    """Ask a second deployment when the first has not begun to answer; the first to begin wins."""
    degrade: bool = False
    """Show an old cached answer, marked as stale, when everything else has failed."""
    limits: LimitSettings | None = None
    """For everybody together who asks this alias."""
    context: ContextSettings = field(default_factory=ContextSettings)
    """What is done with prompts that are too long."""
    release: ReleaseSettings | None = None
    """A new version on trial."""
    difficulty_threshold: Share = 0.5
    """From which estimate (0 to 1) on a prompt is hard, for the strategy `difficulty`."""
    cache: Literal["off", "exact", "semantic"] | None = None
    """None: as `[cache]` says."""


class TeamSettings(Section):
    limits: LimitSettings | None = None
    """For all keys of the team together."""
    budget: BudgetSettings | None = None
    """For all keys of the team together."""
    models: list[str] = field(default_factory=lambda: ["*"])
    """Names and patterns that its keys may ask."""


class KeySettings(Section):
    """A key that the configuration brings; `guru keys create` makes others."""

    key: str
    """The key itself. Write `"env:NAME"`."""
    team: str | None = None
    """The team it belongs to."""
    user: str | None = None
    """The person it belongs to."""
    role: Role = "member"
    """`admin` manages, `member` uses, `viewer` reads."""
    models: list[str] = field(default_factory=lambda: ["*"])
    """Names and patterns: `openai/*`, `smart`."""
    routes: list[str] = field(default_factory=lambda: ["*"])
    """Names and patterns of doors: `chat.completions`, `embeddings`."""
    limits: LimitSettings | None = None
    """Of this key."""
    budget: BudgetSettings | None = None
    """Of this key."""
    tags: list[str] = []
    """For accounts, besides those of the request's `x-guru-tags` header."""


class CacheSettings(Section):
    mode: Literal["off", "exact", "semantic"] = "off"
    """`semantic` looks for the exact request first."""
    ttl_seconds: Seconds = 3600.0
    """How long an answer is shown again."""
    max_mb: Positive = 64
    """Memory for answers; those not asked for longest go first."""
    threshold: Share = 0.85
    """Similarity from which two questions count as one; benchmarks/semantic_cache.md shows the curve."""
    provider_prompts: bool = True
    """Mark stable prefixes for the prompt caches of providers that charge less for them."""


class PriceSettings(Section):
    """US dollars per million tokens."""

    input: Dollars
    """Of the prompt."""
    output: Dollars
    """Of the answer."""
    cached: Dollars | None = None
    """Of the prompt, read from the provider's cache; none: as `input`."""
    cache_write: Dollars | None = None
    """Of the prompt, written to the provider's cache; none: as `input`."""
    cache_write_1h: Dollars | None = None
    """Of the prompt, written to the provider's cache for an hour; none: as `cache_write`."""
    audio_input: Dollars | None = None
    """Of the prompt, sound; none: as `input`."""
    audio_output: Dollars | None = None
    """Of the answer, sound; none: as `output`."""
    image_input: Dollars | None = None
    """Of the prompt, images; none: as `input`."""
    image_output: Dollars | None = None
    """Of the answer, images; none: as `output`."""
    reasoning: Dollars | None = None
    """Of the answer, reasoning; none: as `output`."""
    search: Dollars = 0.0
    """US dollars for each search of the web that the provider runs."""
    request: Dollars = 0.0
    """US dollars for each request."""
    since: str | None = None
    """The day (YYYY-MM-DD, UTC) from which it holds."""


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

"""Providers of models, the names over them, what is kept of answers and what they cost."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from guru.config.access import LimitSettings
from guru.config.base import Dollars, NotNegative, Positive, Seconds, Section, Share


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

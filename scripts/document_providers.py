"""docs/providers.md: what each provider can do, and what becomes of each parameter, as the providers' classes say."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from guru.models.providers import KINDS, provider_class
from guru.models.providers.base import Provider, Support
from guru.models.providers.parameters import NAMES

PAGE = Path(__file__).parent.parent / "docs" / "providers.md"
ABILITIES = {
    "chat": "chat", "stream": "stream", "tools": "tools", "images": "images", "json_schema": "JSON schema",
    "text": "text completion", "embeddings": "embeddings", "rerank": "rerank", "moderations": "moderations",
    "images_out": "makes images",
    "image_edits": "edits images", "speech": "speech", "transcription": "transcription", "batch": "own batches",
}  # fmt: skip
REGIONAL = ("bedrock", "sagemaker", "vertex")
SIGNS = {"carried": "yes", "mapped": "mapped", "refused": "no"}
PER_TABLE = 7
"""Providers beside each other in one table: more do not fit a page."""

HEAD = """\
# Providers

This page is written by `make format` from the providers' own classes, and the tests hold every provider to it.

A provider is a table of `guru.toml`. Its name, or `kind`, says which of the kinds below it is:

```toml
[providers.openai]
api_key = "env:OPENAI_API_KEY"
models = ["gpt-4o", "text-embedding-3-small"]      # to be listed; others can be called too

[providers.house]                                  # any name, with a kind
kind = "vllm"
base_url = "http://gpu-1:8000/v1"

[providers.azure]
base_url = "https://my-resource.openai.azure.com"  # without api_version: /openai/v1
api_key = "env:AZURE_OPENAI_API_KEY"
```

Its models are then called `openai/gpt-4o`, `house/Qwen/Qwen3-8B`, `azure/my-deployment`. `guru config check` says which
provider cannot be reached or does not take its key.

**Parameters** are carried, mapped as told below, or refused before anything is sent: nothing is lost in silence. What a
provider refuses can be left out instead, with `drop_params = ["seed"]` in its table. Fields that Guru does not know
are sent on as they are, unless it says otherwise below. What a provider adds to its answers (citations, search
results, costs, what a content filter found ...) is repeated by the door of the same format, in its place.

**Errors**: what the caller did wrong comes back as an error of the request; a prompt that is too long as
`context_length_exceeded`; a provider that does not take our key as 502, as it is not the caller's fault; a limit of
the provider's as 429 with the wait that it asks for; all else as 503, 504 or, for a stream that ends in the middle, as
an error in the stream. Routing retries and falls back; see [Routing](routing.md).

Any other address that speaks OpenAI's API is of the kind `openai-compatible`.
"""


def generate() -> str:
    """The page."""
    kinds = {kind: provider_class(kind, kind) for kind in KINDS}
    return "\n".join([HEAD, *abilities(kinds), *parameters(kinds), *mappings(kinds)]) + "\n"


def abilities(kinds: dict[str, type[Provider]]) -> Iterator[str]:
    yield "## What each can do\n"
    yield row("kind", "address", *ABILITIES.values())
    yield row("---", "---", *([":-:"] * len(ABILITIES)))
    for kind, provider in kinds.items():
        address = f"`{provider.BASE_URL}`" if provider.BASE_URL else "`base_url`"
        if kind in REGIONAL:
            address = "by `region`"
        yield row(f"`{kind}`", address, *("yes" if able in provider.ABILITIES else "" for able in ABILITIES))
    yield "\n`images` are read; `makes images` is `/v1/images/generations`, `edits images` `/v1/images/edits`. Batches"
    yield "run over every chat model; `own batches` are the provider's, cheaper and slower: see"
    yield "[Batches](batches.md).\n"


def parameters(kinds: dict[str, type[Provider]]) -> Iterator[str]:
    yield "## What becomes of each parameter\n"
    names = list(kinds)
    for first in range(0, len(names), PER_TABLE):
        shown = names[first : first + PER_TABLE]
        yield row("parameter", *(f"`{kind}`" for kind in shown))
        yield row("---", *([":-:"] * len(shown)))
        for name in (*NAMES, "extra"):
            label = "unknown fields" if name == "extra" else f"`{name}`"
            yield row(label, *(SIGNS[kinds[kind].PARAMETERS[name].kind] for kind in shown))
        yield ""


def mappings(kinds: dict[str, type[Provider]]) -> Iterator[str]:
    yield "## How it is mapped, and what to do instead\n"
    for kind, provider in kinds.items():
        notes = {name: support for name, support in provider.PARAMETERS.items() if support.kind != "carried"}
        if not notes:
            continue
        yield f"### {kind}\n"
        yield f"{summary(provider)}\n"
        yield from (
            f"- `{'unknown fields' if name == 'extra' else name}`: {told(note)}" for name, note in notes.items()
        )
        yield ""


def told(support: Support) -> str:
    return support.note if support.kind == "mapped" else f"refused. {support.note}"


def summary(provider: type[Provider]) -> str:
    """The words that open the provider's file."""
    module = sys.modules[provider.__module__]
    return inspect.cleandoc(module.__doc__ or "")


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"

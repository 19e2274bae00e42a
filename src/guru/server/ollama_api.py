"""Ollama's API, for programs that speak to an Ollama server: they find every model of this one.

Spec: https://github.com/ollama/ollama/blob/main/docs/api.md. Answers are streamed, as JSON lines, unless `stream` is
false.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

import guru
from guru.errors import DownloadError, InvalidParameter, ModelNotFound
from guru.models.registry import ModelStatus
from guru.models.wire.fields import JSON
from guru.models.wire.ollama_answers import ChatEncoder, GenerateEncoder, nanoseconds
from guru.models.wire.ollama_requests import (
    OllamaCall,
    decode_chat_request,
    decode_embed_request,
    decode_generate_request,
    plain_name,
)
from guru.server.answerers import AGENT
from guru.server.endpoint import Call, delete, get, post
from guru.server.models_api import find_model, usable_agents, usable_models
from guru.server.road import answer, perform, told
from guru.server.services import Services
from guru.server.sse import EventStream, while_connected
from guru.store.jobs import Job
from guru.tasks import Embeddings

encode = msgspec.json.Encoder().encode
LINES = "application/x-ndjson"
API_VERSION = "0.12.6"
"""The version of Ollama whose API this is: programs ask for it to know what they may use."""
EPOCH = "1970-01-01T00:00:00Z"
"""For models whose age nobody knows."""


CAPABILITIES = {"embedding": ["embedding"], "agent": ["completion"]}
"""By kind, where they are not those of a model for chat: an agent has tools of its own, and takes none."""


class OllamaChatBody(Struct, kw_only=True):
    """A chat, as Ollama takes it."""

    model: str
    messages: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] = []
    format: str | dict[str, Any] | None = None
    """`json`, or a JSON schema."""
    options: dict[str, Any] | None = None
    think: bool | str | None = None
    stream: bool = True
    keep_alive: float | str | None = None


class OllamaGenerateBody(Struct, kw_only=True):
    """A prompt, as Ollama takes it."""

    model: str
    prompt: str = ""
    system: str | None = None
    suffix: str | None = None
    images: list[str] = []
    """In base64."""
    raw: bool = False
    """Whether the prompt is continued as it stands."""
    format: str | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    think: bool | str | None = None
    stream: bool = True
    keep_alive: float | str | None = None


class OllamaEmbedBody(Struct, kw_only=True):
    model: str
    input: str | list[str]
    truncate: bool = True
    dimensions: int | None = None
    options: dict[str, Any] | None = None
    keep_alive: float | str | None = None


class OllamaEmbeddingsBody(Struct, kw_only=True):
    model: str
    prompt: str
    options: dict[str, Any] | None = None
    keep_alive: float | str | None = None


class OllamaName(Struct, kw_only=True):
    """A model. `name` is the older word for `model`."""

    model: str = ""
    name: str = ""
    stream: bool = True
    verbose: bool = False
    insecure: bool = False
    """Without meaning here, as with Ollama itself."""


# --------------------------------------------------------------------------- answers


@post("/api/chat", body=OllamaChatBody, media_type=LINES)
async def ollama_chat(call: Call) -> Any:
    """Answer a chat, as Ollama does."""
    return await respond(call, decode_chat_request(await call.body()), ChatEncoder, "ollama.chat")


@post("/api/generate", body=OllamaGenerateBody, media_type=LINES)
async def ollama_generate(call: Call) -> Any:
    """Answer or continue a prompt, as Ollama does."""
    decoded = decode_generate_request(await call.body())
    return await respond(call, decoded, GenerateEncoder, "ollama.generate")


async def respond(call: Call, decoded: OllamaCall, encoder: type[ChatEncoder], route: str) -> Any:
    request = decoded.request
    if decoded.empty:
        return await load(call, decoded, encoder, route)
    if on_ollama(call.services, request.model):
        request.extra |= decoded.loading
    asked = request.model
    return await answer(call, request, call.caller(route), lambda _: encoder(asked), LINES)


async def load(call: Call, decoded: OllamaCall, encoder: type[ChatEncoder], route: str) -> Response:
    """A request without a question: Ollama's way of having a model loaded beforehand."""
    if decoded.loading.get("keep_alive") in (0, "0", "0s"):
        hint = "They go by themselves, after [local] idle_unload_seconds."
        raise InvalidParameter("Models cannot be unloaded by callers.", param="keep_alive", hint=hint)
    name = decoded.request.model
    if name.startswith(AGENT):
        await find_for(call, name, route)
    else:
        call.services.directory.allow(call.caller(route), name)
        if (start := getattr(call.services.models.chat_model(name), "load", None)) is not None:
            await while_connected(call.receive, start())
    return Response(encoder(name).loaded(), media_type="application/json")


def on_ollama(services: Services, name: str) -> bool:
    """Whether all deployments behind a name are on Ollama servers, which are told how to load their models."""
    settings = services.settings
    models = [each.model for each in settings.models[name].deployments] if name in settings.models else [name]

    def kind(model: str) -> str:
        provider = model.partition("/")[0]
        configured = settings.providers.get(provider)
        return (configured.kind if configured is not None else None) or provider

    return all(kind(model) == "ollama" for model in models)


@post("/api/embed", body=OllamaEmbedBody)
async def ollama_embed(call: Call) -> Any:
    """The vectors of texts, as Ollama gives them."""
    began = time.monotonic()
    result = await embed(call, legacy=False)
    body = {
        "model": result.model,
        "embeddings": result.vectors,
        "total_duration": nanoseconds(time.monotonic() - began),
        "load_duration": 1,
        "prompt_eval_count": result.usage.prompt_tokens,
    }
    return told(call, body, result)


@post("/api/embeddings", body=OllamaEmbeddingsBody)
async def ollama_embeddings(call: Call) -> Any:
    """The vector of one text: the older form of `/api/embed`."""
    result = await embed(call, legacy=True)
    return told(call, {"embedding": result.vectors[0]}, result)


async def embed(call: Call, *, legacy: bool) -> Embeddings:
    request, loading = decode_embed_request(await call.body(), legacy=legacy)
    if on_ollama(call.services, request.model):
        request.extra |= loading
    result: Embeddings = await perform(call, "embeddings", request, "ollama.embed")
    return result


# --------------------------------------------------------------------------- models


@get("/api/tags")
async def ollama_tags(call: Call) -> JSON:
    """The models that the caller can use now, the aliases that name them, and agents."""
    ready = [model for model in await usable_models(call) if model.status != "not installed"]
    named = [(model, name) for model in ready for name in (model.name, *model.aliases)]
    models = [listed(model, name) for model, name in named if call.may_use(name)]
    return {"models": models + [listed(agent, agent.name) for agent in await usable_agents(call)]}


@get("/api/ps")
async def ollama_ps(call: Call) -> JSON:
    """The models that are in memory, of those that the caller can use."""
    loaded = [model for model in await usable_models(call) if model.status == "ready"]
    expires = datetime.now(UTC) + timedelta(seconds=call.services.settings.local.idle_unload_seconds)

    def running(model: ModelStatus) -> JSON:
        return listed(model, model.name) | {
            "size": model.memory_bytes,
            "size_vram": 0,
            "expires_at": expires.isoformat().replace("+00:00", "Z"),
            "context_length": model.context_length or 0,
        }

    return {"models": [running(model) for model in loaded]}


@post("/api/show", reads=True)
async def ollama_show(call: Call, body: OllamaName) -> JSON:
    """What is known about a model, or an agent."""
    model = await find_for(call, name_of(body), "ollama.show")
    family = model.name.partition("/")[0]
    info = {"general.architecture": family, "general.basename": model.name}
    if model.context_length:
        info[f"{family}.context_length"] = model.context_length  # type: ignore[assignment]
    return {
        "license": model.licence or "",
        "modelfile": f"FROM {model.name}\n",
        "parameters": "",
        "template": "",
        "details": details(model),
        "model_info": info,
        "capabilities": CAPABILITIES.get(model.kind, ["completion", "tools"]),
        "modified_at": EPOCH,
    }


@post("/api/pull", media_type=LINES)
async def ollama_pull(call: Call, body: OllamaName) -> Any:
    """Fetch a model, and tell how far it is. For administrators."""
    call.require_operator()
    job = await call.services.models.pull(call.tenant, name_of(body))
    if body.stream:
        return EventStream(pull_lines(call, job), {}, LINES)
    ended = await while_connected(call.receive, wait(call, job))
    if ended.status != "done":
        raise DownloadError(ended.error or f"The download was {ended.status}.", hint="See the job for more.")
    return {"status": "success"}


async def pull_lines(call: Call, job: Job) -> AsyncGenerator[bytes]:
    """The progress as Ollama words it. The download goes on when nobody listens any more."""
    digest = digest_of(str(job.arguments.get("name", job.id)))
    yield line({"status": "pulling manifest"})
    said = b""
    async with aclosing(call.services.jobs.watch(call.tenant, job.id)) as jobs:
        async for latest in jobs:
            job = latest
            done, total = job.progress.get("done"), job.progress.get("total")
            if done is None or not total:
                continue
            shown = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total, "completed": done}
            if line(shown) != said:
                said = line(shown)
                yield said
    if job.status != "done":
        yield line({"error": job.error or f"The download was {job.status}."})
        return
    for status in ("verifying sha256 digest", "writing manifest", "success"):
        yield line({"status": status})


async def wait(call: Call, job: Job) -> Job:
    """The job when it has ended."""
    async with aclosing(call.services.jobs.watch(call.tenant, job.id)) as jobs:
        async for latest in jobs:
            job = latest
    return job


@delete("/api/delete")
async def ollama_delete(call: Call, body: OllamaName) -> Any:
    """Remove a model's files. For administrators."""
    call.require_operator()
    await call.services.models.remove(name_of(body))
    return Response(status_code=200)


@get("/api/version")
async def ollama_version(call: Call) -> JSON:
    """The version of Ollama whose API this is, and Guru's own."""
    return {"version": API_VERSION, "guru": guru.__version__}


# --------------------------------------------------------------------------- helpers


def line(value: JSON) -> bytes:
    return encode(value) + b"\n"


def name_of(body: OllamaName) -> str:
    """Raises `InvalidParameter`."""
    name = plain_name(body.model or body.name)
    if not name:
        raise InvalidParameter("`model` is missing.", param="model", hint="Name a model.")
    return name


async def find_for(call: Call, name: str, route: str) -> ModelStatus:
    """A model or an agent that the caller may use. Raises `ModelNotFound` and `Forbidden`."""
    if not name.startswith(AGENT):
        call.services.directory.allow(call.caller(route), name)
        return await find(call.services, name)
    for agent in await usable_agents(call):
        if agent.name == name:
            return agent
    raise ModelNotFound(f"There is no agent {name!r}.", hint="/api/tags lists those that there are.", param="model")


async def find(services: Services, name: str) -> ModelStatus:
    """A model of the list, or one of a provider that lists none. Raises `ModelNotFound`."""
    try:
        return await find_model(services, name)
    except ModelNotFound:
        model = services.models.chat_model(name)
        return ModelStatus(
            name=model.name, kind="chat", status="available", size_bytes=0, context_length=model.context_length or None,
            licence=None, description="", memory_bytes=0, aliases=[],
        )  # fmt: skip


def digest_of(name: str) -> str:
    """Ollama's clients show the beginning of a digest to tell models apart; ours stands for the name."""
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


def details(model: ModelStatus) -> JSON:
    family = model.name.partition("/")[0]
    return {
        "parent_model": "",
        "format": "gguf" if family == "local" else "",
        "family": family,
        "families": [family],
        "parameter_size": "",
        "quantization_level": "",
    }


def listed(model: ModelStatus, name: str) -> JSON:
    return {
        "name": name,
        "model": name,
        "modified_at": EPOCH,
        "size": model.size_bytes,
        "digest": digest_of(model.name)[7:],
        "details": details(model),
    }


DOORS = [
    ollama_chat,
    ollama_generate,
    ollama_embed,
    ollama_embeddings,
    ollama_tags,
    ollama_show,
    ollama_pull,
    ollama_delete,
    ollama_ps,
    ollama_version,
]

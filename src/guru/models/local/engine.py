"""llama.cpp inside the worker process: one loaded model that runs requests and says plainly what went wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from guru.models.local.capacity import Capacity
from guru.models.local.protocol import Admitted, Chunk, FromWorker, Progress, Reason, Refused, Run, WorkerSettings

JSON = dict[str, Any]
Emit = Callable[[FromWorker], None]

MARGIN = 8
"""Tokens kept free: llama.cpp adds a few of its own around a prompt."""


class Refusal(Exception):
    """A request that llama.cpp does not take."""

    def __init__(self, reason: Reason, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.param = param


class Engine:
    """A loaded model. `run` blocks, and is called from one thread per request."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Load the model. Raises `RuntimeError` when llama.cpp cannot."""
        self.settings = settings
        self._folder = Path(tempfile.mkdtemp())
        self._socket = self._folder / "llama.sock"
        self._key = secrets.token_urlsafe(32)
        try:
            self._server = _load(settings, self._socket, self._key)
        except RuntimeError:
            if settings.cache_type == "f16":
                raise
            # Not every architecture can keep its attention cache in 8 bits.
            self._socket.unlink(missing_ok=True)
            exact = msgspec.structs.replace(settings, cache_type="f16")
            self._server = _load(exact, self._socket, self._key)
        self._capacity = Capacity(settings.slots, settings.context_length)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def wake(self) -> None:
        """Let requests that wait for a slot see that they were cancelled."""
        self._capacity.wake()

    def run(self, request: Run, emit: Emit, cancelled: threading.Event) -> None:
        """Run one request to its end, emitting frames. Nothing is raised: an error is a `Refused` frame."""
        try:
            self._run(request, emit, cancelled)
        except Refusal as refusal:
            emit(Refused(request.id, refusal.reason, refusal.message, refusal.param))
        except Exception as error:
            cause = _refusal_of_exception(error)
            emit(Refused(request.id, cause.reason, cause.message, cause.param))

    def _run(self, request: Run, emit: Emit, cancelled: threading.Event) -> None:
        began = time.monotonic()
        body = dict(request.body)
        prompt_tokens = self._count(request.kind, body)
        choices = int(body.get("n") or 1)
        body["max_tokens"] = self._room(prompt_tokens, choices, body.get("max_tokens"))
        tokens = prompt_tokens + choices * body["max_tokens"]
        if not self._capacity.acquire(choices, tokens, cancelled):
            return
        try:
            emit(Admitted(request.id, time.monotonic() - began, prompt_tokens))
            self._stream(request, body, emit, cancelled)
        finally:
            self._capacity.release(choices, tokens)

    def _stream(self, request: Run, body: JSON, emit: Emit, cancelled: threading.Event) -> None:
        failure: list[Exception] = []

        def on_chunk(data: JSON) -> bool:
            """True stops the generation. An exception would end it without a word, so it is kept for later."""
            try:
                if "error" in data:
                    raise _refusal_of_error(data["error"])
                if data.get("prompt_progress"):
                    emit(Progress(request.id))
                else:
                    emit(Chunk(request.id, data))
            except Exception as error:
                failure.append(error)
                return True
            return cancelled.is_set()

        body |= {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        handle = self._server.handle_chat_completions if request.kind == "chat" else self._server.handle_completions
        handle(body, on_chunk)
        if failure and not cancelled.is_set():
            raise failure[0]

    def _count(self, kind: Literal["chat", "text"], body: JSON) -> int:
        """The exact length of the prompt in tokens. Also finds out whether template, schema and grammar are good."""
        probe = body.pop("validate_schema", None)
        if kind == "chat":
            if probe is not None:
                check = {"type": "json_schema", "json_schema": {"schema": probe}}
                self._ask("/apply-template", {"messages": body["messages"], "response_format": check})
            prompt = self._ask("/apply-template", body)["prompt"]
        else:
            prompt = body["prompt"]
        if isinstance(prompt, list):
            return len(prompt)
        tokens = self._ask("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        return len(tokens)

    def _room(self, prompt: int, choices: int, wanted: int | None) -> int:
        """How many tokens each choice may have. Without a wish an eighth of the context, so that others fit in too."""
        limit = self.settings.context_length
        room = (limit - MARGIN - prompt) // choices
        if room < 1:
            most = limit - MARGIN - 1
            raise Refusal("context", f"The prompt has {prompt} tokens; {self.settings.name} takes at most {most}.")
        return min(room, limit // 8 if wanted is None or wanted < 0 else wanted)

    def _ask(self, path: str, body: JSON) -> JSON:
        """A call to llama.cpp's own helper endpoints, which the binding does not expose, over the private socket."""
        with contextlib.closing(_UnixConnection(self._socket)) as connection:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            connection.request("POST", path, json.dumps(body), headers)
            answer: JSON = json.loads(connection.getresponse().read())
        if "error" in answer:
            raise _refusal_of_error(answer["error"])
        return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _load(settings: WorkerSettings, socket_path: Path, key: str) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.model
    params.model_alias = {settings.name}
    params.n_ctx = settings.context_length
    params.n_parallel = settings.slots
    params.kv_unified = True
    params.n_batch = params.n_ubatch = settings.batch
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.n_gpu_layers = settings.gpu_layers
    params.fit_params = False
    cache_type = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{settings.cache_type.upper()}")
    params.cache_type_k = params.cache_type_v = cache_type
    # Kept prompts outside the slots default to 8 GiB of memory.
    params.cache_ram_mib = 0
    # The binding always opens its HTTP server: it gets a socket that only this user reaches, and a key.
    params.hostnames = [str(socket_path)]
    params.api_keys = [key]
    params.n_threads_http = 2
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    return xllamacpp.Server(params)


def _refusal_of_error(error: JSON) -> Refusal:
    """llama.cpp's error object, in our terms."""
    message = str(error.get("message", error))
    if error.get("type") == "exceed_context_size_error":
        prompt, context = error.get("n_prompt_tokens"), error.get("n_ctx")
        return Refusal("context", f"The prompt has {prompt} tokens, the context {context}.")
    if "Context size has been exceeded" in message:
        return Refusal("busy", "The requests that run at this moment filled the context.")
    if error.get("code") in (400, 422):
        return _invalid(message)
    return Refusal("busy" if error.get("code") == 503 else "model", message)


def _refusal_of_exception(error: Exception) -> Refusal:
    """The binding raises `ValueError` for what the caller did wrong, and `RuntimeError` for that and for the rest."""
    message = str(error)
    if isinstance(error, ValueError) or "not supported" in message:
        return _invalid(message)
    return Refusal("model", message or type(error).__name__)


def _invalid(message: str) -> Refusal:
    field = re.search(r"Field '(\w+)'", message)
    if field:
        return Refusal("invalid", message, field[1])
    schema = re.search(r"JSON schema (?:error|conversion).*", message, re.DOTALL)
    if schema:
        return Refusal("invalid", schema[0], "response_format")
    return Refusal("invalid", message, "grammar" if "grammar" in message else None)

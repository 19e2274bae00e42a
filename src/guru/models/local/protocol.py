"""The frames between the server and a llama.cpp worker: a length (4 bytes, little-endian), then msgpack.

The server sends one `Configure`, then any of `Run`, `Cancel` and `Ping`. The worker answers `Ready` or `Failed` once,
then for each `Run`: `Admitted` when it gets a slot, `Chunk`s, perhaps one `Refused`, and always one `End`, after which
the slot is free. The end of the pipe ends the worker.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

HEADER: Final = 4
MAX_FRAME: Final = 64 * 2**20


class WorkerSettings(Struct, kw_only=True):
    """What a worker needs to know to load a model."""

    model: str
    """Path of the GGUF file."""
    name: str
    context_length: int
    """Tokens of context, shared by all slots: one request may use all of it."""
    slots: int
    """Requests decoded at once; others wait in order."""
    threads: int
    batch: int = 256
    """Tokens of a prompt computed at once. Larger is no faster on a few cores and takes memory."""
    cache_type: Literal["f16", "q8_0"] = "q8_0"
    """Precision of the attention cache. 8 bits halve its memory, at no cost that could be measured."""
    gpu_layers: int = -1
    """Layers on an accelerator, where the installed llama.cpp has one; -1 is as many as fit."""


class Configure(Struct, tag="configure"):
    settings: WorkerSettings


class Run(Struct, tag="run"):
    id: int
    kind: Literal["chat", "text"]
    body: dict[str, Any]
    """A request as llama.cpp's server takes it."""


class Cancel(Struct, tag="cancel"):
    id: int


class Ping(Struct, tag="ping"):
    number: int


class Ready(Struct, tag="ready"):
    context_length: int
    slots: int
    seconds: float


class Failed(Struct, tag="failed"):
    """The model could not be loaded."""

    message: str


class Admitted(Struct, tag="admitted"):
    id: int
    queued: float
    """Seconds that the request waited for a slot."""
    prompt_tokens: int


class Progress(Struct, tag="progress"):
    """A part of the prompt has been read."""

    id: int


class Chunk(Struct, tag="chunk"):
    id: int
    data: dict[str, Any]
    """An OpenAI-shaped chunk of llama.cpp."""


Reason = Literal["invalid", "context", "busy", "model"]


class Refused(Struct, tag="refused", omit_defaults=True):
    """The request failed: it is wrong, too long, met a shortage, or the model broke."""

    id: int
    reason: Reason
    message: str
    param: str | None = None


class End(Struct, tag="end"):
    id: int


class Pong(Struct, tag="pong"):
    number: int


ToWorker = Configure | Run | Cancel | Ping
FromWorker = Ready | Failed | Admitted | Progress | Chunk | Refused | End | Pong

_encoder = msgspec.msgpack.Encoder()
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode


def encode(message: ToWorker | FromWorker) -> bytes:
    """The whole frame of a message."""
    body = _encoder.encode(message)
    return len(body).to_bytes(HEADER, "little") + body

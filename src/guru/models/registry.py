"""The models that a server can reach, by name or alias: implements `guru.types.Models`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from guru.config import HubSettings, Settings
from guru.errors import InvalidParameter, ModelNotFound
from guru.models.catalogue import PREFIX
from guru.models.sources.hub import Hub
from guru.models.store import ModelInfo, ModelStore, not_found

if TYPE_CHECKING:
    from guru.models.local.chat import LocalChatModel
    from guru.models.local.embedder import MiniLMEmbedder

DEFAULT_ALIASES: Final = {"default": "local/smollm2-135m", "embedding": "local/all-minilm-l6-v2"}


class ModelStatus(Struct, kw_only=True):
    """A model as the API shows it."""

    name: str
    kind: str
    status: Literal["ready", "available", "not installed"]
    """In memory, on this disk, or to be pulled."""
    size_bytes: int
    context_length: int | None
    licence: str | None
    description: str
    memory_bytes: int
    aliases: list[str]


class ModelRegistry:
    """Makes each model once, when it is first asked for. Belongs to one event loop."""

    def __init__(self, home: Path, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.aliases = DEFAULT_ALIASES | self.settings.aliases
        hub = self.settings.hub
        self.store = ModelStore(home, hub=Hub(None if hub.url == HubSettings().url else hub.url, hub.token))
        self._chat: dict[str, LocalChatModel] = {}
        self._embedder: MiniLMEmbedder | None = None

    def resolve(self, name: str) -> str:
        """The full name behind an alias or a short name. Raises `ModelNotFound`."""
        full = self.aliases.get(name, name)
        try:
            return self.store.show(full).name
        except ModelNotFound:
            known = [*(info.name for info in self.store.list()), *self.aliases]
            raise not_found(name, known) from None

    def chat_model(self, name: str) -> LocalChatModel:
        """Raises `ModelNotFound` when it is unknown or not installed, `ModelError` when its file is broken."""
        # The road comes here with every request: what was made already is found without a look at files.
        model = self._chat.get(self.aliases.get(name, name)) or self._chat.get(full := self.resolve(name))
        if model is not None:
            return model
        self._require(full, "chat")
        from guru.models.local.chat import LocalChatModel
        from guru.models.local.supervisor import Timeouts

        local = self.settings.local
        model = self._chat[full] = LocalChatModel(
            full, self.store.path(full), threads=local.threads, slots=local.slots, context_length=local.context_length,
            timeouts=Timeouts(silence=local.heartbeat_seconds, idle=local.idle_unload_seconds),
        )  # fmt: skip
        return model

    def embedder(self, name: str) -> MiniLMEmbedder:
        """Raises `ModelNotFound`."""
        if self._embedder is not None and self.aliases.get(name, name) == self._embedder.name:
            return self._embedder
        self._require(self.resolve(name), "embedding")
        if self._embedder is None:
            from guru.models.local.embedder import MiniLMEmbedder

            self._embedder = MiniLMEmbedder(threads=self.settings.local.embed_threads)
        return self._embedder

    def status(self) -> list[ModelStatus]:
        """All models that are here or could be. Reads a few small files."""
        return [
            ModelStatus(
                name=info.name, kind=info.kind, status=self._state(info), size_bytes=info.size_bytes,
                context_length=info.context_length, licence=info.licence, description=info.description,
                memory_bytes=info.memory_bytes,
                aliases=self._aliases_of(info.name),
            )
            for info in self.store.list()
        ]  # fmt: skip

    def worker_failures(self) -> dict[str, int]:
        """Workers that died or did not start, by model, since the server's start."""
        return {name: model.failures for name, model in self._chat.items()}

    async def remove(self, name: str) -> None:
        """Unload a model and delete its file. Raises `ModelNotFound` and `Conflict`."""
        full = self.resolve(name)
        if (model := self._chat.pop(full, None)) is not None:
            await model.aclose()
        await asyncio.to_thread(self.store.remove, full)

    async def aclose(self) -> None:
        """Unload everything."""
        models, self._chat = list(self._chat.values()), {}
        await asyncio.gather(*(model.aclose() for model in models))
        if self._embedder is not None:
            self._embedder.close()

    def _aliases_of(self, full: str) -> list[str]:
        return [alias for alias, target in self.aliases.items() if target in (full, full.removeprefix(PREFIX))]

    def _require(self, full: str, kind: str) -> None:
        found = self.store.show(full).kind
        if found != kind:
            verb = "chat" if kind == "chat" else "embed"
            message = f"{full} cannot {verb}: it is a model of kind {found}."
            raise InvalidParameter(message, param="model", hint=f"Use a model of kind {kind}.")

    def _state(self, info: ModelInfo) -> Literal["ready", "available", "not installed"]:
        if not info.installed:
            return "not installed"
        model = self._chat.get(info.name)
        builtin = info.kind == "embedding" and self._embedder is not None and self._embedder.loaded
        return "ready" if builtin or (model is not None and model.pid is not None) else "available"

"""The models that a server can reach, by name or alias.

Implements `guru.protocols.Models` and `guru.tasks.TaskModels`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from guru.config import HubSettings, Settings
from guru.errors import InvalidParameter, ModelNotFound
from guru.models.catalogue import PREFIX
from guru.models.context import length_of
from guru.models.remote import RemoteModels, kind_of, named, unconfigured
from guru.models.sources.hub import Hub
from guru.models.store import ModelInfo, ModelStore, not_found

if TYPE_CHECKING:
    from guru.models.http import HttpClient
    from guru.models.local.chat import LocalChatModel
    from guru.models.local.embedder import MiniLMEmbedder
    from guru.models.local.reader import MiniLMReader
    from guru.protocols import ChatModel
    from guru.tasks import EmbeddingModel, ImageModel, Moderator, Reranker, SpeechModel, TranscriptionModel

LOCAL_EMBEDDING: Final = "local/all-minilm-l6-v2"
READER: Final = "local/guru-reader"
DEFAULT_ALIASES: Final = {
    "default": "local/smollm2-135m",
    "embedding": LOCAL_EMBEDDING,
    "rerank": READER,
    "moderation": "local/moderation",
}
LOCAL_MODERATION: Final = "local/moderation"
"""Not of the catalogue: it has no file of its own, only sentences that the embedding model reads."""


class ModelStatus(Struct, kw_only=True):
    """A model as the API shows it."""

    name: str
    kind: str
    status: Literal["ready", "available", "not installed"]
    """In memory or behind a provider, on this disk, or to be pulled."""
    size_bytes: int
    context_length: int | None
    licence: str | None
    description: str
    memory_bytes: int
    aliases: list[str]


class ModelRegistry:
    """Makes each model once, when it is first asked for. Belongs to one event loop."""

    def __init__(self, home: Path, settings: Settings | None = None, http: HttpClient | None = None) -> None:
        """`http` is the server's client; without one, the registry makes its own for the providers."""
        self.settings = settings or Settings()
        self.aliases = DEFAULT_ALIASES | self.settings.aliases
        hub = self.settings.hub
        self.store = ModelStore(home, hub=Hub(None if hub.url == HubSettings().url else hub.url, hub.token))
        self.remote = RemoteModels(self.settings.providers, http)
        self._chat: dict[str, LocalChatModel] = {}
        self._embedder: MiniLMEmbedder | None = None
        self._reader: MiniLMReader | None = None
        self._moderator: Moderator | None = None

    def resolve(self, name: str) -> str:
        """The full name behind an alias or a short name. Raises `ModelNotFound`."""
        full = self.aliases.get(name, name)
        if self.remote.knows(full):
            return full
        try:
            return self.store.show(full).name
        except ModelNotFound:
            provider, slash, _ = full.partition("/")
            if slash and provider != PREFIX.rstrip("/"):
                raise unconfigured(provider, list(self.settings.providers), full) from None
            known = [*(info.name for info in self.store.list()), *self.aliases, *named(self.settings)]
            raise not_found(name, known) from None

    def is_remote(self, name: str) -> bool:
        """Whether a provider runs the model of this full name."""
        return self.remote.knows(name)

    def chat_model(self, name: str) -> ChatModel:
        """Raises `ModelNotFound` when it is unknown or not installed, `ModelError` when its file is broken."""
        # The road comes here with every request: what was made already is found without a look at files.
        full = self.aliases.get(name, name)
        if (local := self._chat.get(full)) is not None:
            return local
        if self.remote.knows(full):
            model: ChatModel = self.remote.model("chat_model", full)
            return model
        return self._local_chat(self.resolve(name))

    def embedding_model(self, name: str) -> EmbeddingModel:
        if (full := self._remote(name)) is not None:
            model: EmbeddingModel = self.remote.model("embedding_model", full)
            return model
        from guru.models.local.tasks import LocalEmbedding

        return LocalEmbedding(self.embedder(name))

    def reranker(self, name: str) -> Reranker:
        if (full := self._remote(name)) is not None:
            model: Reranker = self.remote.model("reranker", full)
            return model
        if self.aliases.get(name, name) == READER:
            from guru.models.local.reader_reranker import ReaderReranker

            return ReaderReranker(self.reader(), self.embedder(LOCAL_EMBEDDING))
        from guru.models.local.reranker import LocalReranker

        return LocalReranker(self.embedder(name))

    def reader(self) -> MiniLMReader:
        if self._reader is None:
            from guru.models.local.reader import MiniLMReader

            self._reader = MiniLMReader(threads=self.settings.local.embed_threads)
        return self._reader

    def moderator(self, name: str) -> Moderator:
        if self.aliases.get(name, name) != LOCAL_MODERATION:
            model: Moderator = self._remote_only("moderator", name, "moderate")
            return model
        if self._moderator is None:
            from guru.models.local.moderator import LocalModerator

            self._moderator = LocalModerator(self.embedder(LOCAL_EMBEDDING))
        return self._moderator

    def image_model(self, name: str) -> ImageModel:
        model: ImageModel = self._remote_only("image_model", name, "draw")
        return model

    def speech_model(self, name: str) -> SpeechModel:
        model: SpeechModel = self._remote_only("speech_model", name, "speak")
        return model

    def transcription_model(self, name: str) -> TranscriptionModel:
        model: TranscriptionModel = self._remote_only("transcription_model", name, "transcribe")
        return model

    def reload(self, settings: Settings) -> None:
        """Take over changed aliases and providers. Local models keep what they were started with."""
        self.settings = settings
        self.aliases = DEFAULT_ALIASES | settings.aliases
        self.remote.reload(settings.providers)

    def embedder(self, name: str) -> MiniLMEmbedder:
        """Raises `ModelNotFound`."""
        if self._embedder is not None and self.aliases.get(name, name) == self._embedder.name:
            return self._embedder
        full = self.resolve(name)
        if self.remote.knows(full):
            raise InvalidParameter(
                f"{full} does not run on this machine.", param="model",
                hint=f"Use {LOCAL_EMBEDDING}.",
            )  # fmt: skip
        self._require(full, "embedding")
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
        ] + [
            ModelStatus(
                name=name, kind=kind_of(name), status="ready", size_bytes=0, context_length=length_of(name) or None,
                licence=None, description="", memory_bytes=0, aliases=self._aliases_of(name),
            )
            for name in named(self.settings)
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
        for small in (self._embedder, self._reader):
            if small is not None:
                small.close()
        await self.remote.aclose()

    def _local_chat(self, full: str) -> LocalChatModel:
        if (known := self._chat.get(full)) is not None:
            return known
        self._require(full, "chat")
        from guru.models.local.chat import LocalChatModel
        from guru.models.local.supervisor import Timeouts

        local = self.settings.local
        model = self._chat[full] = LocalChatModel(
            full, self.store.path(full), threads=local.threads, slots=local.slots, context_length=local.context_length,
            timeouts=Timeouts(silence=local.heartbeat_seconds, idle=local.idle_unload_seconds),
        )  # fmt: skip
        return model

    def _remote(self, name: str) -> str | None:
        """The full name behind `name`, if it is one of a provider."""
        full = self.aliases.get(name, name)
        return full if self.remote.knows(full) else None

    def _remote_only(self, kind: str, name: str, verb: str) -> Any:
        full = self._remote(name) or self.resolve(name)
        if not self.remote.knows(full):
            raise InvalidParameter(
                f"{full} cannot {verb}: no model on this machine can.", param="model",
                hint="Use a provider's model: docs/providers.md says whose.",
            )  # fmt: skip
        return self.remote.model(kind, full)

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
        small = {"embedding": self._embedder, "rerank": self._reader}.get(info.kind)
        loaded = small is not None and small.loaded
        return "ready" if loaded or (model is not None and model.pid is not None) else "available"

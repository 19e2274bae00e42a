"""The models of providers by name: `provider/model`, made when they are first asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from guru.config import ProviderSettings, Settings
from guru.errors import ModelNotFound
from guru.models.catalogue import PREFIX
from guru.models.providers import KINDS, create, provider_class

if TYPE_CHECKING:
    from guru.models.http import HttpClient
    from guru.models.providers.base import Provider

REMEMBERED: Final = 1024
"""Models kept after they were asked for. Callers choose the names: without a limit they could fill the memory."""

WORDS: Final = {
    "rerank": "rerank",
    "embed": "embedding",
    "moderation": "moderation",
    "dall-e": "image",
    "gpt-image": "image",
    "whisper": "transcription",
    "transcribe": "transcription",
    "tts": "speech",
}
"""Words in a model's name, and what a model does that has them."""


class RemoteModels:
    """All providers of the configuration. Belongs to one event loop."""

    def __init__(self, settings: Mapping[str, ProviderSettings], http: HttpClient | None = None) -> None:
        """Without `http` it makes its own client, and closes it."""
        self._settings = dict(settings)
        self._http = http
        self._own_http: HttpClient | None = None
        self._providers: dict[str, Provider] = {}
        self._made: dict[tuple[str, str], Any] = {}

    def knows(self, full: str) -> bool:
        """Whether a full name is one of a configured provider."""
        name, slash, model = full.partition("/")
        return bool(slash and model) and name in self._settings

    def provider(self, name: str) -> Provider:
        """The provider of `[providers.name]`. Raises `ModelNotFound` and `ConfigurationError`."""
        if name not in self._providers:
            if name not in self._settings:
                raise unconfigured(name, list(self._settings))
            self._providers[name] = create(name, self._settings[name], self._client())
        return self._providers[name]

    def model(self, kind: str, full: str) -> Any:
        """What the method `kind` of the provider makes of the model's name, such as `chat_model`; made once."""
        found = self._made.get((kind, full))
        if found is None:
            name, _, model = full.partition("/")
            if {".", ".."} & set(model.split("/")):  # some providers have the name in the path of the address
                raise ModelNotFound(f"{full!r} cannot be the name of a model.", param="model")
            found = getattr(self.provider(name), kind)(model)
            if len(self._made) >= REMEMBERED:
                self._made.clear()
            self._made[kind, full] = found
        return found

    def reload(self, settings: Mapping[str, ProviderSettings]) -> None:
        """Take over changed tables. Requests under way end with the settings that they began with."""
        changed = {name for name in self._providers if self._settings.get(name) != settings.get(name)}
        self._settings = dict(settings)
        self._providers = {name: known for name, known in self._providers.items() if name not in changed}
        self._made = {key: model for key, model in self._made.items() if key[1].partition("/")[0] not in changed}

    async def aclose(self) -> None:
        """Drop all connections, if the client is its own."""
        if self._own_http is not None:
            await self._own_http.aclose()

    def _client(self) -> HttpClient:
        if self._http is None:
            from guru.models.http import HttpClient

            self._http = self._own_http = HttpClient()
        return self._http


def named(settings: Settings) -> list[str]:
    """The models of providers that the configuration names: to be listed, or behind an alias."""
    names = [f"{name}/{model}" for name, provider in settings.providers.items() for model in provider.models]
    for alias in settings.models.values():
        names += [deployment.model for deployment in alias.deployments]
        names += alias.fallbacks
    return list(dict.fromkeys(name for name in names if name.partition("/")[0] in settings.providers and "/" in name))


def kind_of(model: str) -> str:
    """What a listed model does, by the words that providers put in such names."""
    name = model.lower()
    return next((kind for word, kind in WORDS.items() if word in name), "chat")


def unconfigured(name: str, configured: list[str], model: str | None = None) -> ModelNotFound:
    """The error for a provider without a table; `model` is the full name that was asked for."""
    asked = f": {model!r} cannot be asked" if model else ""
    if name in KINDS:
        key = f' api_key = "env:{name.upper()}_API_KEY"' if provider_class(name).NEEDS_KEY else ""
        hint = f"Add it to guru.toml: [providers.{name}]{key}. docs/providers.md says what it needs."
        return ModelNotFound(f"{name} is not configured{asked}.", hint=hint, param="model")
    near = difflib.get_close_matches(name, [*configured, *KINDS, PREFIX.rstrip("/")], n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Configured: {', '.join([*configured, 'local'])}."
    return ModelNotFound(f"There is no provider {name!r}{asked}.", hint=hint, param="model")

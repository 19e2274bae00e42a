"""What a provider is: an address, credentials, and the models behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from guru.config import ProviderSettings
from guru.errors import ConfigurationError, GuruError, InvalidParameter, ModelError
from guru.models.providers.batch_api import BatchApi
from guru.models.providers.errors import error_of_body, retry_after
from guru.models.providers.parameters import CARRIED, Filter, Support, mapped, refused, table
from guru.models.wire.fields import NOT_JSON

if TYPE_CHECKING:
    from guru.models.http import HttpClient, Reach, Response, Timeouts
    from guru.protocols import ChatModel
    from guru.tasks import EmbeddingModel, ImageModel, Moderator, Reranker, SpeechModel, TranscriptionModel

__all__ = [
    "CARRIED", "CHAT", "Ability", "BatchApi", "Filter", "Provider", "Support", "mapped", "refused", "table",
]  # fmt: skip

JSON = dict[str, Any]

Ability = Literal[
    "chat", "stream", "tools", "images", "json_schema", "text", "embeddings", "rerank", "moderations", "images_out",
    "image_edits", "speech", "transcription", "batch",
]  # fmt: skip
"""`images` are read, `images_out` made and `image_edits` changed; `text` is the older completion of a prompt."""
CHAT: Final[frozenset[Ability]] = frozenset({"chat", "stream", "tools", "images", "json_schema"})
"""What most who have chat models can do."""

WRONG_ADDRESS = "Check base_url: is that the address of its API?"
SCHEME = re.compile(r"^(bearer|basic|key|token) +", re.IGNORECASE)
"""The word before a secret: https://www.rfc-editor.org/rfc/rfc9110#section-11.1."""
MAX_ERROR = 1 << 20
"""Bytes of an answer that is an error."""


class Provider:
    """One table `[providers.NAME]`. A class that does not override a method has no models of that sort."""

    BASE_URL: ClassVar[str | None] = None
    """The provider's own address, without a slash at the end; None: the configuration must name one."""
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = frozenset()
    """What docs/providers.md says it can do, and the conformance suite tries."""
    PARAMETERS: ClassVar[Mapping[str, Support]] = table({})
    """What becomes of every field of `ChatRequest`."""

    MESSAGE_EXTRA: ClassVar[bool] = False
    """Whether messages may carry members that Guru does not know."""

    def __init__(self, name: str, settings: ProviderSettings, http: HttpClient) -> None:
        """Raises `ConfigurationError` when the address or the key is missing. Connects to nothing."""
        self.name = name
        self.settings = settings
        self.http = http
        base_url = settings.base_url or self.BASE_URL
        if base_url is None:
            raise ConfigurationError(
                f"[providers.{name}] has no base_url.", hint='Add it: base_url = "http://localhost:8000/v1".'
            )
        self.base_url = base_url.rstrip("/")
        if self.NEEDS_KEY and not settings.api_key:
            raise ConfigurationError(
                f"[providers.{name}] has no api_key.",
                hint=f'Add it: api_key = "env:{name.upper().replace("-", "_")}_API_KEY".',
            )
        self.filter = Filter(name, self.PARAMETERS, settings.drop_params, message_extra=self.MESSAGE_EXTRA)
        self.headers = self.make_headers()
        self.timeouts = self._timeouts()
        self.allowed_reach = self._reach()

    def make_headers(self) -> dict[str, str]:
        """What every request carries: JSON, a bearer token, and what the configuration adds."""
        headers = {"content-type": "application/json"}
        if self.settings.api_key:
            headers["authorization"] = f"Bearer {self.settings.api_key}"
        return headers | {name.lower(): value for name, value in self.settings.headers.items()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.base_url!r})"  # and nothing secret

    # ------------------------------------------------------------------- models

    def chat_model(self, model: str) -> ChatModel:
        """The model called `model` at this provider; whether there is one shows when it is asked."""
        raise self.has_no("chat", model)

    def embedding_model(self, model: str) -> EmbeddingModel:
        raise self.has_no("embedding", model)

    def reranker(self, model: str) -> Reranker:
        raise self.has_no("rerank", model)

    def moderator(self, model: str) -> Moderator:
        raise self.has_no("moderation", model)

    def image_model(self, model: str) -> ImageModel:
        raise self.has_no("image", model)

    def speech_model(self, model: str) -> SpeechModel:
        raise self.has_no("speech", model)

    def transcription_model(self, model: str) -> TranscriptionModel:
        raise self.has_no("transcription", model)

    def batches(self) -> BatchApi | None:
        """The provider's own batch endpoint, where it has one."""
        return None

    async def list_models(self) -> list[str]:
        """The names of the models that the provider lists, without the provider's own."""
        response = await self.send("GET", self.models_url())
        try:
            listed = msgspec.json.decode(await response.read())
        except NOT_JSON:
            raise ModelError(
                f"{self.name} lists its models as something that is not JSON.", hint=WRONG_ADDRESS
            ) from None
        entries = listed.get("data") if isinstance(listed, dict) else listed
        if not isinstance(entries, list):
            raise ModelError(f"{self.name} lists its models in no known way.", hint=WRONG_ADDRESS)
        return [entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]

    def models_url(self) -> str:
        return f"{self.base_url}/models"

    async def check(self) -> None:
        """Raises what is wrong when the provider cannot be reached or does not take the credentials."""
        if self.settings.health_path:
            address = self.base_url.split("/", 3)
            response = await self.send("GET", "/".join(address[:3]) + "/" + self.settings.health_path.lstrip("/"))
            await response.aclose()
        else:
            await self.reach()

    async def reach(self) -> None:
        """The cheapest request that needs the credentials."""
        await self.list_models()

    # ------------------------------------------------------------------- requests

    async def send(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """The answer, once its head is here and says that all is well. Raises the errors of `errors.py`.

        Whoever gets it reads it to its end or closes it. `headers` in place of the provider's own.
        """
        response = await self.http.request(
            method, url, headers=self.headers if headers is None else headers, body=body, timeouts=self.timeouts,
            verify=self.settings.verify_tls, reach=self.allowed_reach,
        )  # fmt: skip
        if 200 <= response.status < 300:
            return response
        raise await self.failure(response)

    async def failure(self, response: Response) -> GuruError:
        """Our error for an answer that is one. Providers with their own shape of errors override `read_error`."""
        try:
            body = bytearray()
            async for part in response.iter():
                body += part
                if len(body) > MAX_ERROR:
                    break
        except GuruError:
            pass  # the status says enough
        finally:
            await response.aclose()
        error = self.read_error(response.status, bytes(body), retry_after(response.headers))
        return self.without_secrets(error)

    def read_error(self, status: int, body: bytes, wait: float | None) -> GuruError:
        return error_of_body(self.name, status, body, wait)

    def without_secrets(self, error: GuruError) -> GuruError:
        """A provider may quote the key that it does not like."""
        for secret in self.secrets():
            if secret and len(secret) > 3 and secret in error.message:
                error.message = error.message.replace(secret, "***")
                error.args = (error.message,)
        return error

    def secrets(self) -> Iterator[str | None]:
        """What nobody may read in an error: the key, and what headers carry, also without the word before it."""
        yield self.settings.api_key
        for value in self.settings.headers.values():
            yield value
            yield SCHEME.sub("", value)

    def has_no(self, kind: str, model: str) -> InvalidParameter:
        message = f"{self.name} has no {kind} models that Guru can reach."
        return InvalidParameter(message, param="model", hint=f"Use another provider than that of {self.name}/{model}.")

    def _timeouts(self) -> Timeouts:
        from guru.models.http import Timeouts

        return Timeouts(connect=self.settings.connect_timeout, first_byte=self.settings.timeout)

    def _reach(self) -> Reach:
        from guru.models.http import Reach

        return Reach(self.name, self.settings.max_connections, public=not self.settings.allow_private)

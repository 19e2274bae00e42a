"""Gemini on Google's Vertex AI, with Google's own credentials.

Spec: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference. `project` and `region` (or
`region = "global"`) say where. Credentials are found where all of Google's programs find them: the file of a service
account in GOOGLE_APPLICATION_CREDENTIALS, gcloud's log-in, workload identity, the machine's own; `pip install
"guru[vertex]"` brings what that needs. An `api_key`, or an `authorization` under `headers`, is sent instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec

from guru.config import ProviderSettings
from guru.errors import ConfigurationError
from guru.models.providers.base import Ability, Provider
from guru.models.providers.gemini import Gemini
from guru.models.providers.google_credentials import GoogleCredentials
from guru.tasks import EmbeddingModel

if TYPE_CHECKING:
    from guru.models.http import HttpClient, Response


class Vertex(Gemini):
    BASE_URL: ClassVar[str | None] = None
    ABILITIES: ClassVar[frozenset[Ability]] = Gemini.ABILITIES - {"embeddings", "batch"}
    LISTED: ClassVar[str] = "publisherModels"
    PAGE: ClassVar[int] = 100

    def __init__(self, name: str, settings: ProviderSettings, http: HttpClient) -> None:
        """Raises `ConfigurationError` without project and region. Connects to nothing."""
        if settings.base_url is None:
            settings = msgspec.structs.replace(settings, base_url=address(name, settings.project, settings.region))
        super().__init__(name, settings, http)
        given = settings.api_key or "authorization" in self.headers
        self._credentials = None if given else GoogleCredentials(name, http)

    def make_headers(self) -> dict[str, str]:
        headers = Provider.make_headers(self)
        if self.settings.api_key:
            del headers["authorization"]
            headers["x-goog-api-key"] = self.settings.api_key
        return headers

    async def send(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        given = self.headers if headers is None else headers
        if self._credentials is not None:
            given = {**await self._credentials.headers(), **given}
        return await super().send(method, url, body, given)

    def secrets(self) -> Iterator[str | None]:
        yield from super().secrets()
        if self._credentials is not None:
            yield self._credentials.token

    def embedding_model(self, model: str) -> EmbeddingModel:
        raise self.has_no("embedding", model)

    def models_url(self) -> str:
        """Google's models stand outside of every project, and in the newer version alone."""
        return f"{self.base_url.partition('/v1/')[0]}/v1beta1/publishers/google/models"

    def list_headers(self) -> Mapping[str, str]:
        project = self.settings.project
        return self.headers | ({"x-goog-user-project": project} if project else {})


def address(name: str, project: str | None, region: str | None) -> str:
    """Of Google's models. Raises `ConfigurationError` when something is missing."""
    for member, value, example in (("project", project, "my-project"), ("region", region, "global")):
        if not value:
            hint = f'Add it: {member} = "{example}".'
            raise ConfigurationError(f"[providers.{name}] has no {member}.", hint=hint)
    host = "aiplatform.googleapis.com" if region == "global" else f"{region}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/{project}/locations/{region}/publishers/google"

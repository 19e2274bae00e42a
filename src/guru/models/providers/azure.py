"""Azure OpenAI. Reference: https://learn.microsoft.com/azure/ai-foundry/openai/reference.

`base_url` is the resource, `https://NAME.openai.azure.com`. With `api_version` models are deployments in the older
addresses; without it, the newer `/openai/v1` is used. What the content filter found stays in the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

from guru.errors import ConfigurationError
from guru.models.providers.base import CHAT, Ability, BatchApi, Support, mapped, table
from guru.models.providers.compatible import Compatible
from guru.models.providers.openai import OPENAI
from guru.models.wire.openai_upstream import Dialect

V1 = "/openai/v1"


class Azure(Compatible):
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {
        "text", "embeddings", "images_out", "image_edits", "speech", "transcription", "batch",
    }  # fmt: skip
    PARAMETERS: ClassVar[Mapping[str, Support]] = table({**OPENAI, "max_tokens": mapped("`max_completion_tokens`")})
    INPUT_TYPE: ClassVar[bool] = False
    # A deployment's name does not say which model it is; all of them know the newer name.
    DIALECT: ClassVar[Dialect] = Dialect(who="Azure OpenAI", names={"max_tokens": "max_completion_tokens"})

    def make_headers(self) -> dict[str, str]:
        """The key under Azure's own name. A token of Entra ID can be given as the header `authorization`."""
        headers = super().make_headers()
        if self.settings.api_key:
            headers["api-key"] = self.settings.api_key
            del headers["authorization"]
        given = {name.lower(): value for name, value in self.settings.headers.items()}
        if not self.settings.api_key and "authorization" not in given:
            raise ConfigurationError(
                f"[providers.{self.name}] has no api_key.", hint='Add it: api_key = "env:AZURE_OPENAI_API_KEY".'
            )
        return headers | given

    def url(self, path: str, model: str) -> str:
        if self.settings.api_version is None:
            return self._v1() + path
        resource = self.base_url.removesuffix("/openai")
        return f"{resource}/openai/deployments/{quote(model, safe='')}{path}?api-version={self.settings.api_version}"

    def models_url(self) -> str:
        if self.settings.api_version is None:
            return self._v1() + "/models"
        return f"{self.base_url.removesuffix('/openai')}/openai/models?api-version={self.settings.api_version}"

    def account_url(self, path: str) -> str:
        if self.settings.api_version is None:
            return self._v1() + path
        sign = "&" if "?" in path else "?"
        return f"{self.base_url.removesuffix('/openai')}/openai{path}{sign}api-version={self.settings.api_version}"

    def batches(self) -> BatchApi | None:
        from guru.models.providers.openai_batches import AzureBatches

        return AzureBatches(self)

    def _v1(self) -> str:
        return self.base_url if self.base_url.endswith(V1) else self.base_url.removesuffix("/openai") + V1

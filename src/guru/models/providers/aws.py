"""What Amazon's services have in common: regions, credentials, and signatures by botocore.

Spec: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html. botocore finds the credentials where all of
Amazon's programs do: the environment, profiles, containers, instances.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import msgspec

from guru.config import ProviderSettings
from guru.errors import ConfigurationError, GuruError, ProviderRefused
from guru.models.providers.base import Provider
from guru.models.providers.errors import error_of_body
from guru.models.wire.fields import NOT_JSON

if TYPE_CHECKING:
    from guru.models.http import HttpClient, Response

JSON = dict[str, Any]


class Aws(Provider):
    """A service of Amazon's, in one region. With `api_key` that is sent as a bearer token, and nothing is signed."""

    SERVICE: ClassVar[str]
    """What signatures name."""
    HOST: ClassVar[str]
    """With `{region}` in it."""
    NEEDS_KEY: ClassVar[bool] = False

    def __init__(self, name: str, settings: ProviderSettings, http: HttpClient) -> None:
        """Raises `ConfigurationError` without a region. Reads configuration files of Amazon's; connects to nothing."""
        self._credentials: Any = None
        self._signed_with: tuple[str | None, ...] = ()
        self._session: Any = None if settings.api_key and settings.region else open_session(name, settings.profile)
        self.region = settings.region or self._configured_region(name)
        base_url = settings.base_url or "https://" + self.HOST.format(region=self.region)
        super().__init__(name, msgspec.structs.replace(settings, base_url=base_url), http)

    async def send(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        given = self.headers if headers is None else headers
        if not self.settings.api_key:
            given = await self.signed(method, url, body, given)
        return await super().send(method, url, body, given)

    async def signed(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], service: str | None = None
    ) -> dict[str, str]:
        """The headers with a signature of the request. Raises `ProviderRefused` when there are no credentials."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        frozen = await self._frozen_credentials()
        self._signed_with = (frozen.secret_key, frozen.token)
        request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
        SigV4Auth(frozen, service or self.SERVICE, self.region).add_auth(request)
        return {name.lower(): value for name, value in request.headers.items()}

    def secrets(self) -> Iterator[str | None]:
        """Amazon shows what should have been signed to whoever signed it wrong: the session's token is in it."""
        yield from super().secrets()
        yield from self._signed_with

    def read_error(self, status: int, body: bytes, wait: float | None) -> GuruError:
        """Amazon writes `message`, and some of its services `Message`."""
        try:
            raw = msgspec.json.decode(body)
        except NOT_JSON:
            raw = None
        if isinstance(raw, dict) and "message" not in raw and isinstance(raw.get("Message"), str):
            body = msgspec.json.encode({"message": raw["Message"]})
        return error_of_body(self.name, status, body, wait)

    async def _frozen_credentials(self) -> Any:
        # Finding credentials, and renewing those that end, may ask a service and wait for it: not on the event loop.
        found = self._credentials
        if found is None:
            found = self._credentials = await asyncio.to_thread(self._find_credentials)
        needs = getattr(found, "refresh_needed", None)
        try:
            if needs is not None and needs():
                return await asyncio.to_thread(found.get_frozen_credentials)
            return found.get_frozen_credentials()
        except Exception as error:
            raise self._without_credentials(error) from None

    def _find_credentials(self) -> Any:
        try:
            found = self._session.get_credentials()
        except Exception as error:
            raise self._without_credentials(error) from None
        if found is None:
            raise self._without_credentials(None)
        return found

    def _without_credentials(self, error: Exception | None) -> ProviderRefused:
        why = f" ({type(error).__name__})" if error else ""
        return ProviderRefused(
            f"{self.name}: no credentials for Amazon were found{why}.",
            hint=f"Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile under [providers.{self.name}].",
        )

    def _configured_region(self, name: str) -> str:
        from botocore.exceptions import BotoCoreError

        try:
            region = self._session.get_config_variable("region")
        except BotoCoreError as error:
            raise ConfigurationError(f"[providers.{name}]: {error}", hint="Correct `profile`.") from None
        if not region:
            raise ConfigurationError(f"[providers.{name}] has no region.", hint='Add it: region = "us-east-1".')
        return str(region)


def open_session(name: str, profile: str | None) -> Any:
    """botocore's session. Raises `ConfigurationError` where it is not installed."""
    try:
        from botocore.session import Session
    except ImportError:
        raise ConfigurationError(
            f"[providers.{name}] needs botocore for Amazon's signatures.",
            hint='Install it: pip install "guru[bedrock]".',
        ) from None
    return Session(profile=profile)


def segment(value: str) -> str:
    """One part of a path. Names of models may be whole ARNs, with colons and slashes."""
    return quote(value, safe="")

"""Google's application default credentials: service accounts, workload identity, machines, and gcloud's own log-in.

Spec: https://cloud.google.com/docs/authentication/application-default-credentials. google-auth finds and renews them;
it blocks, so that it works in a thread, whose requests the server's own client makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.errors import ConfigurationError, GuruError, ModelUnavailable, ProviderRefused

if TYPE_CHECKING:
    from guru.models.http import HttpClient

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
SECONDS: Final = 30.0
"""For one request to the server of the tokens, where google-auth names no limit."""
LONGEST: Final = 200
"""Characters of what that server says that are passed on."""


class Answer(Struct):
    """As `google.auth.transport.Response` has it."""

    status: int
    headers: dict[str, str]
    data: bytes


class GoogleCredentials:
    """Of one provider. Belongs to one event loop."""

    def __init__(self, name: str, http: HttpClient) -> None:
        """`name` as the configuration calls the provider. Raises `ConfigurationError` without google-auth."""
        try:
            import google.auth
        except ImportError:
            raise ConfigurationError(
                f"[providers.{name}] needs google-auth for Google's credentials.",
                hint='Install it: pip install "guru[vertex]". Or set api_key.',
            ) from None
        self._auth = google.auth
        self._name = name
        self._http = http
        self._found: Any = None
        self._turn = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """What a request must carry. Raises `ProviderRefused` without credentials, and `ModelUnavailable`."""
        # google-auth calls a token invalid some minutes before it is: nobody waits for one that has just ended.
        if self._found is None or not self._found.valid:
            async with self._turn:
                if self._found is None or not self._found.valid:
                    await self._renew()
        carried: dict[str, str] = {}
        self._found.apply(carried)
        return carried

    @property
    def token(self) -> str | None:
        """The one in use, to be kept out of errors."""
        return None if self._found is None else self._found.token

    async def _renew(self) -> None:
        exceptions = self._auth.exceptions
        try:
            await asyncio.to_thread(self._find_and_refresh, asyncio.get_running_loop())
        except exceptions.TransportError as error:
            raise ModelUnavailable(f"{self._name}: {said(error)}", hint="Try again.") from None
        except (exceptions.GoogleAuthError, ValueError, OSError) as error:
            if getattr(error, "retryable", False):
                raise ModelUnavailable(f"{self._name}: {said(error)}", hint="Try again.") from None
            raise ProviderRefused(
                f"{self._name}: Google's credentials cannot be used: {said(error)}",
                hint="Name a service account's file in GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud.",
            ) from None

    def _find_and_refresh(self, loop: asyncio.AbstractEventLoop) -> None:
        def ask(
            url: str, method: str = "GET", body: bytes | str | None = None, headers: Mapping[str, str] | None = None,
            timeout: float | None = None, **_: Any,
        ) -> Answer:  # fmt: skip
            sent = body.encode() if isinstance(body, str) else body or b""
            asked = self._ask(method, url, headers or {}, sent, timeout or SECONDS)
            try:
                return asyncio.run_coroutine_threadsafe(asked, loop).result()
            except GuruError as error:
                raise self._auth.exceptions.TransportError(error.message) from None

        request: Any = ask  # it has the shape of google.auth.transport.Request
        if self._found is None:
            self._found, _ = self._auth.default(scopes=SCOPES, request=request)
        if not self._found.valid:
            self._found.refresh(request)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answer:
        from guru.models.http import Timeouts

        timeouts = Timeouts(connect=seconds, first_byte=seconds, idle=seconds)
        response = await self._http.request(method, url, headers=headers, body=body, timeouts=timeouts)
        return Answer(response.status, dict(response.headers.items()), await response.read())


def said(error: Exception) -> str:
    """The words of an error of google-auth's, without the whole answers that it puts beside them."""
    return str(error.args[0] if error.args else type(error).__name__)[:LONGEST]

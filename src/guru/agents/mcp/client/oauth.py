"""OAuth 2.1 for MCP servers: a person allows it once in a browser, and the tokens are renewed as long as that works.

Authorization code with PKCE, for this server alone (RFC 8707), from the issuer that was asked and no other (RFC 9207).
Specification: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from msgspec import Struct

from guru.agents.mcp.client.http import Http
from guru.agents.mcp.client.oauth_discovery import Issuer, find_issuer, post, read_challenge
from guru.agents.mcp.messages import encode
from guru.errors import Forbidden
from guru.types import JSON

FORM = {"content-type": "application/x-www-form-urlencoded"}


class Grant(Struct, kw_only=True):
    """What is kept of an authorization. Client and tokens are of one issuer, and shown to no other."""

    issuer: str
    client_id: str
    client_secret: str | None = None
    method: str = "none"
    """How the client proves itself at the token endpoint."""
    requested: list[str] = []
    """The scopes that were asked for so far."""
    access_token: str = ""
    refresh_token: str | None = None
    expires_at: float | None = None


class Grants(Protocol):
    """Where the grant of one server is kept."""

    async def load(self) -> Grant | None: ...

    async def save(self, grant: Grant) -> None: ...


class Consent(Protocol):
    """A person with a browser."""

    @property
    def redirect_uri(self) -> str: ...

    async def ask(self, url: str) -> str:
        """Where the browser was sent back to, after the person had decided at `url`. Raises `GuruError`."""
        ...


class OAuth:
    """`Authorization` by OAuth. Without `consent`, tokens are used and renewed, but not asked for."""

    def __init__(
        self,
        http: Http,
        url: str,
        grants: Grants,
        *,
        consent: Consent | None = None,
        scopes: Sequence[str] = (),
        client_id: str | None = None,
        client_secret: str | None = None,
        metadata_url: str | None = None,
    ) -> None:
        """`client_id` is known to the authorization server before; `metadata_url` is a document about this client."""
        self._http = http
        self._url = url
        self._grants = grants
        self._consent = consent
        self._scopes = list(scopes)
        self._client = (client_id, client_secret)
        self._metadata_url = metadata_url
        self._grant: Grant | None = None
        self._refused: str | None = None
        """The token that was refused last."""
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        self._grant = await self._grants.load()

    def headers(self) -> Mapping[str, str]:
        if self._grant is None or not self._grant.access_token:
            return {}
        return {"authorization": f"Bearer {self._grant.access_token}"}

    async def challenged(self, status: int, challenge: str) -> bool:
        """Renew the token, or ask the person for one. Whether there is another one now. Raises `GuruError`."""
        used = self._grant.access_token if self._grant else None
        async with self._lock:
            if self._grant is not None and self._grant.access_token != used:
                return True  # somebody else has just renewed it
            said = read_challenge(challenge)
            issuer = await find_issuer(self._http, self._url, said)
            grant = self._grant if self._grant is not None and self._grant.issuer == issuer.name else None
            if status == 401 and grant is not None and grant.refresh_token and used != self._refused:
                self._refused = used
                if await self._renew(issuer, grant):
                    return True
            wanted = self._wanted(issuer, said.scope, grant)
            if status == 403 and grant is not None and set(wanted) <= set(grant.requested):
                return False  # it has been asked for, and was not given
            if self._consent is None:
                return False
            await self._authorize(issuer, grant or await self._register(issuer, self._consent), wanted, self._consent)
            return True

    def _wanted(self, issuer: Issuer, scope: str | None, grant: Grant | None) -> list[str]:
        """The scopes to ask for: those of the challenge, or else all that the server knows; and those asked before."""
        first: Iterable[str] = scope.split() if scope else self._scopes or issuer.scopes
        offline = ["offline_access"] if "offline_access" in (issuer.metadata.get("scopes_supported") or ()) else []
        return list(dict.fromkeys([*(grant.requested if grant else ()), *first, *offline]))

    # --------------------------------------------------------------------- the client

    async def _register(self, issuer: Issuer, consent: Consent) -> Grant:
        """Become a client of the authorization server. Raises `Forbidden`."""
        name, secret = self._client
        metadata = issuer.metadata
        if name is not None:
            offered = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            method = "none" if secret is None else next((item for item in SECRET_METHODS if item in offered), "none")
            return Grant(issuer=issuer.name, client_id=name, client_secret=secret, method=method)
        if self._metadata_url and metadata.get("client_id_metadata_document_supported"):
            return Grant(issuer=issuer.name, client_id=self._metadata_url)
        if "registration_endpoint" not in metadata:
            raise Forbidden(
                f"The authorization server {issuer.name} takes only clients that it knows.",
                hint="Register Guru there, and set [mcp.servers.NAME] client_id and client_secret.",
            )
        offered = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        asked: JSON = {
            "client_name": "Guru", "redirect_uris": [consent.redirect_uri], "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"], "application_type": "native",
            "token_endpoint_auth_method": next((item for item in METHODS if item in offered), "none"),
        }  # fmt: skip
        headers = {"content-type": "application/json"}
        made = await post(self._http, issuer.endpoint("registration"), headers, encode(asked))
        if not isinstance(made.get("client_id"), str):
            raise Forbidden(f"The authorization server {issuer.name} registered nothing.", hint="Ask who runs it.")
        method = made.get("token_endpoint_auth_method") or asked["token_endpoint_auth_method"]
        return Grant(
            issuer=issuer.name, client_id=made["client_id"], client_secret=made.get("client_secret"), method=str(method)
        )

    # ---------------------------------------------------------------------- the tokens

    async def _authorize(self, issuer: Issuer, grant: Grant, scopes: list[str], consent: Consent) -> None:
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code", "client_id": grant.client_id, "redirect_uri": consent.redirect_uri,
            "state": state, "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256", "resource": issuer.resource,
        }  # fmt: skip
        if scopes:
            query["scope"] = " ".join(scopes)
        if "offline_access" in scopes:
            query["prompt"] = "consent"
        address = issuer.endpoint("authorization")
        url = address + ("&" if urlsplit(address).query else "?") + urlencode(query)
        code = read_callback(await consent.ask(url), state, issuer)
        body = {"grant_type": "authorization_code", "code": code, "redirect_uri": consent.redirect_uri,
                "code_verifier": verifier, "resource": issuer.resource}  # fmt: skip
        grant.requested = scopes
        await self._keep(grant, await self._token(issuer, grant, body))

    async def _renew(self, issuer: Issuer, grant: Grant) -> bool:
        body = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token or "", "resource": issuer.resource}
        try:
            await self._keep(grant, await self._token(issuer, grant, body))
        except Forbidden:
            return False  # it has ended: the person is asked again
        return True

    async def _token(self, issuer: Issuer, grant: Grant, body: dict[str, str]) -> JSON:
        headers = dict(FORM)
        if grant.method == "client_secret_basic" and grant.client_secret is not None:
            pair = f"{quote(grant.client_id, safe='')}:{quote(grant.client_secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            body = body | {"client_id": grant.client_id}
            if grant.method == "client_secret_post" and grant.client_secret is not None:
                body["client_secret"] = grant.client_secret
        given = await post(self._http, issuer.endpoint("token"), headers, urlencode(body).encode())
        if not isinstance(given.get("access_token"), str) or str(given.get("token_type")).lower() != "bearer":
            raise Forbidden(f"The authorization server {issuer.name} gave no bearer token.", hint="Log in again.")
        return given

    async def _keep(self, grant: Grant, given: JSON) -> None:
        seconds = given.get("expires_in")
        grant.access_token = given["access_token"]
        grant.refresh_token = given.get("refresh_token") or grant.refresh_token
        grant.expires_at = time.time() + seconds if isinstance(seconds, int | float) else None
        self._grant = grant
        await self._grants.save(grant)


SECRET_METHODS = ("client_secret_basic", "client_secret_post")
METHODS = ("none", *SECRET_METHODS)
"""How a client proves itself, the plainest first: PKCE protects a public client."""


def read_callback(url: str, state: str, issuer: Issuer) -> str:
    """The code in the address that the browser was sent back to. Raises `Forbidden` for anybody else's."""
    said = {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}
    if not hmac.compare_digest(said.get("state", "").encode(), state.encode()):
        raise Forbidden("The answer of the authorization server is not to this question.", hint="Log in again.")
    must = issuer.metadata.get("authorization_response_iss_parameter_supported") is True
    if ("iss" in said or must) and said.get("iss") != issuer.name:
        raise Forbidden("The answer comes from another authorization server than was asked.", hint="Log in again.")
    if "code" not in said:
        why = said.get("error_description") or said.get("error") or "it does not say why"
        raise Forbidden(f"The authorization server refused: {why[:300]}.", hint="Log in again.")
    return said["code"]


class NoGrants:
    """Kept for as long as this process lives."""

    def __init__(self) -> None:
        self.grant: Grant | None = None

    async def load(self) -> Grant | None:
        return self.grant

    async def save(self, grant: Grant) -> None:
        self.grant = grant

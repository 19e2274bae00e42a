"""Who hands out tokens for an MCP server: its own metadata (RFC 9728), then its authorization server's (RFC 8414).

What these documents say is believed only as far as they are about the server that was asked.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from guru.agents.mcp.client.http import Http, read_all
from guru.errors import Forbidden
from guru.types import JSON

MOST_BYTES: Final = 1 << 20
IDLE: Final = 30.0
_PARAMETER: Final = re.compile(r'([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class Challenge(Struct, frozen=True):
    """What `www-authenticate` says."""

    metadata_url: str | None
    scope: str | None
    error: str | None


class Issuer(Struct, frozen=True):
    """An authorization server, and what it is to be asked for."""

    metadata: JSON
    resource: str
    """The identifier of the MCP server, for which tokens are asked."""
    scopes: list[str]
    """Those that the MCP server knows."""

    @property
    def name(self) -> str:
        return str(self.metadata["issuer"])

    def endpoint(self, name: str) -> str:
        """Raises `Forbidden` for one that is missing, or is not safe."""
        url = self.metadata.get(f"{name}_endpoint")
        if not isinstance(url, str) or not is_safe(url):
            raise Forbidden(f"The authorization server {self.name} has no safe {name}_endpoint.", hint=WRONG)
        return url


WRONG: Final = "Tell those who run the MCP server."


def read_challenge(header: str) -> Challenge:
    found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(header)}
    return Challenge(found.get("resource_metadata"), found.get("scope"), found.get("error"))


async def find_issuer(http: Http, url: str, challenge: Challenge) -> Issuer:
    """The authorization server of the MCP server at `url`. Raises `Forbidden` and other `GuruError`s."""
    parts = urlsplit(url)
    origin = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    places = [place(url, "oauth-protected-resource"), place(origin, "oauth-protected-resource")]
    if challenge.metadata_url is not None:
        if not is_safe(challenge.metadata_url):
            raise Forbidden("The MCP server names metadata at an address that is not safe.", hint=WRONG)
        places = [challenge.metadata_url]
    resource: JSON | None = None
    for candidate in places:
        if (resource := await fetch(http, candidate)) is not None:
            break
    servers = (resource or {}).get("authorization_servers") or [origin]
    identifier = (resource or {}).get("resource", url)
    if not covers(identifier, url):
        raise Forbidden(f"The MCP server's metadata is about another resource, {identifier!r}.", hint=WRONG)
    scopes = (resource or {}).get("scopes_supported") or []
    return Issuer(await find_metadata(http, str(servers[0])), identifier, [str(scope) for scope in scopes])


async def find_metadata(http: Http, issuer: str) -> JSON:
    """The metadata of an authorization server, whose issuer is exactly this. Raises `Forbidden`."""
    if not is_safe(issuer):
        raise Forbidden(f"The authorization server {issuer!r} is not at a safe address.", hint=WRONG)
    places = [place(issuer, "oauth-authorization-server"), place(issuer, "openid-configuration")]
    if urlsplit(issuer).path.strip("/"):
        places.append(issuer.rstrip("/") + "/.well-known/openid-configuration")
    for candidate in places:
        found = await fetch(http, candidate)
        if found is None:
            continue
        if found.get("issuer") != issuer:
            raise Forbidden(f"The metadata of {issuer} says that it is of {found.get('issuer')!r}.", hint=WRONG)
        if "S256" not in (found.get("code_challenge_methods_supported") or ()):
            raise Forbidden(f"The authorization server {issuer} does not offer PKCE with S256.", hint=WRONG)
        return found
    raise Forbidden(f"The authorization server {issuer} has no metadata.", hint=WRONG)


async def fetch(http: Http, url: str) -> JSON | None:
    """The JSON object at an address; None where there is none. Raises `GuruError`."""
    answer = await http.send("GET", url, {"accept": "application/json"}, idle=IDLE)
    try:
        body = await read_all(answer, MOST_BYTES)
        value: Any = msgspec.json.decode(body) if answer.status == 200 else None
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def post(http: Http, url: str, headers: dict[str, str], body: bytes) -> JSON:
    """The JSON that an endpoint answers. Raises `Forbidden` with what it says of an error."""
    answer = await http.send("POST", url, {"accept": "application/json", **headers}, body, idle=IDLE)
    status = answer.status
    try:
        value: Any = msgspec.json.decode(await read_all(answer, MOST_BYTES))
    except (ValueError, msgspec.DecodeError, RecursionError):
        value = None
    if status not in (200, 201) or not isinstance(value, dict):
        said = value.get("error_description") or value.get("error") if isinstance(value, dict) else status
        raise Forbidden(f"The authorization server refused: {str(said)[:300]}.", hint="Log in again.")
    return value


def place(url: str, name: str) -> str:
    """A well-known address: the name goes between host and path."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/.well-known/{name}{parts.path.rstrip('/')}", "", ""))


def is_safe(url: str) -> bool:
    """Whether secrets may be sent there: over TLS, or to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1"))


def covers(resource: Any, url: str) -> bool:
    """Whether a resource's identifier is the server's address, or a part of the same server above it."""
    if not isinstance(resource, str):
        return False
    try:
        mine, asked = urlsplit(resource), urlsplit(url)
        same = (mine.scheme, mine.hostname, mine.port) == (asked.scheme, asked.hostname, asked.port)
    except ValueError:
        return False
    return same and (asked.path.rstrip("/") + "/").startswith(mine.path.rstrip("/") + "/")

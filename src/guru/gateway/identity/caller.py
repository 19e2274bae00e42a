"""Who calls."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from guru.config import Role
from guru.errors import Forbidden
from guru.store.scope import Scope

LOCAL_TENANT = "local"


class Caller(Struct, frozen=True, kw_only=True):
    """Who sent a request, through which door, and the id that its trace will have."""

    tenant: str
    """The organisation. Every row, every cache entry and every search is of one tenant."""
    route: str
    trace_id: str
    key: str | None = None
    """Id of the API key, when one was used."""
    team: str | None = None
    """Name of the team."""
    user: str | None = None
    """Name of the person: the key's, or the one that a key which may speak for others names (`user`)."""
    role: Role = "member"
    tags: tuple[str, ...] = ()
    """For accounts: the key's tags and those of the request's `x-guru-tags` header."""
    conversation: str | None = None
    """For releases that stick to a conversation."""
    cache: Literal["on", "off", "refresh"] = "on"
    """What the request says of cached answers: `off` neither looks nor keeps, `refresh` only keeps."""
    prompt: str | None = None
    """The version of the library's prompt that the request begins with, as `name@3`: its answers are kept apart."""
    headers: dict[str, str] = field(default_factory=dict)
    """What the road adds to the headers of the answer, such as the state of limits."""
    owner: bool = False
    """Whether this is the person whose machine it is: may name files of the server's disk."""
    shared_only: bool = False
    """Whether only documents without an access list are seen: what comes of the request is shown to everybody."""

    @property
    def person(self) -> str:
        """What this caller makes is owned by: its user, else its key, else the person whose machine it is."""
        return self._names[0]

    @property
    def private(self) -> Scope:
        """What is the caller's own, and nobody else's."""
        return Scope(self.tenant, self._names)

    @property
    def visible(self) -> Scope:
        """What the caller may see of what others can show to administrators: an administrator sees it all."""
        if self.shared_only:
            return Scope(self.tenant, ())
        return Scope(self.tenant, None if self.role == "admin" else self._names, self._teams)

    @property
    def _names(self) -> tuple[str, ...]:
        names = (self.user and f"user:{self.user}", self.key and f"key:{self.key}")
        return tuple(name for name in names if name) or ("owner",)

    @property
    def _teams(self) -> tuple[str, ...]:
        return (f"team:{self.team}",) if self.team else ()

    def require_owner(self) -> None:
        """Raises `Forbidden` for everybody else."""
        if not self.owner:
            raise Forbidden(
                "Only the local owner may name files on the server's disk.",
                hint="Upload the files to /api/v1/collections/{name}/documents instead.",
            )

    def require_member(self) -> None:
        """Raises `Forbidden` for those who may only look."""
        if self.role == "viewer":
            raise Forbidden("A viewer may only look.", hint="Use a key with the role `member` or `admin`.")

    def require_admin(self) -> None:
        """Raises `Forbidden` for everybody who may not manage keys, teams, users and releases."""
        if self.role != "admin":
            raise Forbidden(
                "Only an administrator may do that.", hint="Use a key with the role `admin`, or ask who has one."
            )


def local_owner(route: str, trace_id: str, tags: tuple[str, ...] = ()) -> Caller:
    """The caller of a server that is bound to loopback, where a request needs no key."""
    return Caller(tenant=LOCAL_TENANT, route=route, trace_id=trace_id, role="admin", tags=tags, owner=True)

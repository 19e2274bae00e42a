"""Who calls."""

from __future__ import annotations

from msgspec import Struct

from guru.errors import Forbidden

LOCAL_TENANT = "local"


class Caller(Struct, frozen=True, kw_only=True):
    """Who sent a request, through which door, and the id that its trace will have."""

    tenant: str
    route: str
    trace_id: str
    key: str | None = None
    """Id of the API key, when one was used."""
    user: str | None = None
    owner: bool = False
    """Whether this is the person whose machine it is: may name files of the server's disk."""

    def require_owner(self) -> None:
        """Raises `Forbidden` for everybody else."""
        if not self.owner:
            raise Forbidden(
                "Only the local owner may name files on the server's disk.",
                hint="Upload the files to /api/v1/collections/{name}/documents instead.",
            )


def local_owner(route: str, trace_id: str) -> Caller:
    """The caller of a server that is bound to loopback, where a request needs no key."""
    return Caller(tenant=LOCAL_TENANT, route=route, trace_id=trace_id, owner=True)

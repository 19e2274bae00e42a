"""Who calls: keys, teams, users and roles, and the log of who changed what."""

from guru.gateway.identity.caller import LOCAL_TENANT, Caller, local_owner

__all__ = ["LOCAL_TENANT", "Caller", "local_owner"]

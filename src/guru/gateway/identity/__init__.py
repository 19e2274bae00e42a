"""Who calls: keys, teams, users and roles, and the log of who changed what."""

from guru.gateway.identity.audit import Audit
from guru.gateway.identity.caller import LOCAL_TENANT, Caller, local_owner
from guru.gateway.identity.changes import Changes
from guru.gateway.identity.directory import Directory
from guru.gateway.identity.sessions import Sessions

__all__ = ["LOCAL_TENANT", "Audit", "Caller", "Changes", "Directory", "Sessions", "local_owner"]

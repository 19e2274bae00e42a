"""What tests of tools share."""

from guru.agents.tools.base import ToolContext
from guru.store.scope import Scope

CONTEXT = ToolContext(scope=Scope("local"), call="call-1")

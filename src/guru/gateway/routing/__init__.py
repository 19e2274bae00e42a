"""Which deployment answers a request, and what happens when it does not."""

from guru.gateway.routing.attempt import Outcome
from guru.gateway.routing.router import Router, Variants

__all__ = ["Outcome", "Router", "Variants"]

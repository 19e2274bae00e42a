"""Prompts that are longer than the model: say so, ask a larger one, or make them fit."""

from guru.gateway.context.context import Context

__all__ = ["Context"]

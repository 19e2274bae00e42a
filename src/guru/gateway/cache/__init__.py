"""Answers that were given before, and marks for the prompt caches of providers."""

from guru.gateway.cache.cache import Cache
from guru.gateway.cache.prompts import PromptMarks

__all__ = ["Cache", "PromptMarks"]

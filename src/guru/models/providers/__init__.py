"""The providers of models, one small file each, imported when the configuration names it."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Final

from guru.config import ProviderSettings
from guru.errors import ConfigurationError

if TYPE_CHECKING:
    from guru.models.http import HttpClient
    from guru.models.providers.base import Provider

KINDS: Final[dict[str, str]] = {
    "openai": "openai:OpenAI",
    "openai-compatible": "compatible:Compatible",
    "azure": "azure:Azure",
    "mistral": "mistral:Mistral",
    "xai": "xai:XAI",
    "perplexity": "perplexity:Perplexity",
    "huggingface": "huggingface:HuggingFace",
    "tgi": "tgi:TGI",
    "vllm": "vllm:VLLM",
    "together": "together:Together",
    "groq": "groq:Groq",
    "openrouter": "openrouter:OpenRouter",
    "deepseek": "deepseek:DeepSeek",
    "fireworks": "fireworks:Fireworks",
    "anthropic": "anthropic:Anthropic",
    "bedrock": "bedrock:Bedrock",
    "sagemaker": "sagemaker:SageMaker",
    "gemini": "gemini:Gemini",
    "vertex": "vertex:Vertex",
    "cohere": "cohere:Cohere",
    "ollama": "ollama:Ollama",
}
"""What `kind` may say, or the name of a table without it: file and class in this package."""


def provider_class(name: str, kind: str | None = None) -> type[Provider]:
    """The class for a table `[providers.name]`. Raises `ConfigurationError` for an unknown kind."""
    wanted = kind or name
    if wanted not in KINDS:
        near = difflib.get_close_matches(wanted, KINDS, n=1)
        meant = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(KINDS)}."
        raise ConfigurationError(
            f"[providers.{name}] is of no known kind: {wanted!r}.",
            hint=f'{meant} For any other address that speaks OpenAI\'s API: kind = "openai-compatible".',
        )
    module, _, attribute = KINDS[wanted].partition(":")
    found: type[Provider] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return found


def create(name: str, settings: ProviderSettings, http: HttpClient) -> Provider:
    """The provider of the table `[providers.name]`. Raises `ConfigurationError`. Connects to nothing."""
    return provider_class(name, settings.kind)(name, settings, http)

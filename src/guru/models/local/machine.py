"""What this machine can carry: threads, slots and context for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guru.models.local import gguf
from guru.models.local.protocol import WorkerSettings

DEFAULT_CONTEXT = 8192
"""Tokens where the memory allows it and the model can: enough for a dozen passages and a conversation."""
LEAST_CONTEXT = 2048
CACHE_SHARE = 0.25
"""The part of the available memory that the attention cache may take."""
MOST_THREADS = 16
MOST_SLOTS = 8


def choose_settings(
    name: str,
    path: Path,
    metadata: dict[str, Any],
    *,
    threads: int | None = None,
    slots: int | None = None,
    context_length: int | None = None,
) -> WorkerSettings:
    """Settings for the GGUF file at `path`; what is given stays as it is, within what the model can.

    Threads are the physical cores, as decoding waits for memory and gains nothing from the second thread of a core.
    """
    import psutil

    cores = psutil.cpu_count(logical=False) or 1
    trained = gguf.context_length(metadata) or DEFAULT_CONTEXT
    affordable = int(psutil.virtual_memory().available * CACHE_SHARE) // max(1, cache_bytes_per_token(metadata))
    chosen = context_length or max(LEAST_CONTEXT, min(DEFAULT_CONTEXT, affordable // 256 * 256))
    return WorkerSettings(
        model=str(path),
        name=name,
        context_length=min(chosen, trained),
        slots=slots or max(2, min(MOST_SLOTS, 2 * cores)),
        threads=threads or max(1, min(MOST_THREADS, cores)),
    )


def cache_bytes_per_token(metadata: dict[str, Any]) -> int:
    """Bytes of attention cache for one token, in half precision: keys and values of all layers."""
    architecture = metadata.get("general.architecture")

    def number(key: str, default: int) -> int:
        value = metadata.get(f"{architecture}.{key}")
        if isinstance(value, list):
            value = max(value, default=default)
        return value if isinstance(value, int) else default

    heads = number("attention.head_count", 32)
    width = number("attention.key_length", number("embedding_length", 4096) // max(1, heads))
    return 2 * 2 * number("block_count", 32) * number("attention.head_count_kv", heads) * width

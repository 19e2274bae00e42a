"""Whether the stores that have vectors are there and let us in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from guru.config import KnowledgeSettings
from guru.errors import GuruError
from guru.gateway.check_names import Finding
from guru.knowledge.index.external.base import VectorStore
from guru.knowledge.index.external.client import StoreClient
from guru.knowledge.index.external.vendors import VENDORS, open_store, settings_of


def named_stores(settings: KnowledgeSettings) -> Iterator[str]:
    """Those that the configuration speaks of."""
    return (kind for kind in VENDORS if kind == settings.index or getattr(settings, kind) is not None)


async def check_vectors(kind: str, settings: KnowledgeSettings, *, connect: bool, patience: float) -> Finding:
    """Whether a store has all that it needs, answers, and takes the key. One in this process is not opened: a server
    may hold it."""
    place = f"knowledge.{kind}"
    try:
        found = settings_of(kind, settings)
        if not connect or found.path is not None:
            return Finding(place=place, level="ok", message="It has all that it needs.")
        client = StoreClient(
            VENDORS[kind].title, partial(open_store, kind, settings), seconds=min(patience, found.timeout_seconds),
            secret=found.api_key,
        )  # fmt: skip
        try:
            version = await client.ask(VectorStore.ping)
        finally:
            await client.aclose()
    except GuruError as error:
        hint = None if error.hint and "doctor" in error.hint else error.hint
        hint = hint or "Check its url and api_key. Until it answers, its passages are looked for here."
        return Finding(place=place, level="error", message=error.message, hint=hint)
    return Finding(place=place, level="ok", message=f"{version} answers.")

"""What a summary is: sentences, each with the places in the documents that stand behind it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Method = Literal["extractive", "model"]


class Source(Struct, kw_only=True):
    """`quote` stands at `[start, end)` of the stored text."""

    document_id: str
    document: str
    page: int | None
    start: int
    end: int
    quote: str


class Said(Struct, kw_only=True):
    """A sentence of a summary."""

    text: str
    sources: list[Source]


class Summary(Struct, kw_only=True):
    """Of a document, or of a collection."""

    method: Method
    """`extractive`: the documents' own sentences. `model`: a model's, each checked against the passages."""
    model: str | None
    text: str
    """All sentences, one after the other."""
    sentences: list[Said]
    dropped: list[str]
    """Sentences of the model that no passage supports: they are not in the summary."""
    documents: int
    """How many were read."""
    of: int
    """How many there are."""
    note: str | None
    """What is to be known of it."""


def join(sentences: list[Said]) -> str:
    return " ".join(sentence.text for sentence in sentences)

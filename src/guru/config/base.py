"""What every table of `guru.toml` is made of: its base class, and the kinds of numbers and words that stand in them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(gt=0)]
Dollars = Annotated[float, Meta(ge=0, le=1e9)]
Allowed = Annotated[int, Meta(ge=1, le=10**12)]
"""Of something a minute, or at once: whoever wants no limit leaves it out. Redis counts in doubles."""
OcrLanguage = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_/]*$")]
Role = Literal["admin", "member", "viewer"]
Percentile = Annotated[float, Meta(ge=0, le=100)]
Chunking = Literal["fixed", "sentence", "recursive", "heading", "semantic", "code", "hierarchical"]
IndexKind = Literal["embedded", "qdrant", "milvus", "weaviate", "pinecone", "chroma"]

SECRET = {"api_key", "key", "token", "headers", "query", "url", "webhook_key", "env", "client_secret"}
"""Fields that are keys, or addresses with passwords in them."""


class Section(Struct, forbid_unknown_fields=True, kw_only=True):
    """A table of `guru.toml`."""

    def __repr__(self) -> str:
        """Without what may be secret: a table can end up in a log or in an error."""
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        shown = (f"{name}={'...' if value and name in SECRET else repr(value)}" for name, value in fields)
        return f"{type(self).__name__}({', '.join(shown)})"

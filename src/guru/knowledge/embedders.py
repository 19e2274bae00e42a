"""The embedding models of a server: each collection is searched and filled with its own."""

from __future__ import annotations

from typing import Protocol

from guru.errors import Conflict, GuruError, InvalidParameter, ModelNotFound
from guru.protocols import Embedder


class EmbedderSource(Protocol):
    """Where embedding models come from, in this process or of a provider."""

    def default(self) -> str:
        """The full name of the one that new collections get, as the configuration is now."""
        ...

    def resolve(self, name: str) -> str:
        """The full name behind an alias. Raises `ModelNotFound`."""
        ...

    def embedder(self, tenant: str, name: str) -> Embedder:
        """The one of a full name; what an organisation asks of a provider is on its account.

        Raises `ModelNotFound`, and `InvalidParameter` for a model that does not embed.
        """
        ...


class OneEmbedder:
    """A source that has one model, in this process."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def default(self) -> str:
        return self._embedder.name

    def resolve(self, name: str) -> str:
        if name != self._embedder.name:
            raise ModelNotFound(
                f"There is no embedding model {name!r}.", hint=f"There is {self._embedder.name}.", param="model"
            )
        return name

    def embedder(self, tenant: str, name: str) -> Embedder:
        self.resolve(name)
        return self._embedder


class Embedders:
    """The embedding models by what they are needed for."""

    def __init__(self, source: EmbedderSource) -> None:
        self._source = source

    @property
    def default(self) -> str:
        """The full name of the model that new collections get."""
        return self._source.default()

    def named(self, tenant: str, name: str | None) -> Embedder:
        """The one of a name or an alias; None is the configured one. Raises `ModelNotFound` and `InvalidParameter`."""
        return self._source.embedder(tenant, self._source.resolve(name) if name else self.default)

    def of(self, tenant: str, collection: str, model: str) -> Embedder:
        """The one that a collection was embedded with. Raises `Conflict` where it is not available any more."""
        try:
            return self._source.embedder(tenant, model)
        except (ModelNotFound, InvalidParameter) as error:
            raise gone(collection, model, error) from error

    def is_outdated(self, model: str) -> bool:
        """Whether new collections get another model than this one."""
        try:
            return model != self.default
        except ModelNotFound:  # the configuration has been changed to one that is not there: no better than the old
            return False

    def is_available(self, tenant: str, model: str) -> bool:
        """Whether a model can be asked, as far as this is known without asking it."""
        try:
            self._source.embedder(tenant, model)
        except (ModelNotFound, InvalidParameter):
            return False
        return True


def gone(collection: str, model: str, error: GuruError) -> Conflict:
    return Conflict(
        f"The collection {collection!r} was embedded with {model}, which is not available any more: {error.message}",
        hint=f"Configure that model again, or embed the collection anew: guru collections reembed {collection}",
    )

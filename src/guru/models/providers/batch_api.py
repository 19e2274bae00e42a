"""What a provider's own batch endpoint is to Guru: cheaper, and slower, whatever its format."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from guru.types import Usage

JSON = dict[str, Any]
State = Literal["running", "completed", "failed", "expired", "cancelled"]


class BatchStatus(Struct, kw_only=True):
    """How far a provider's own batch is."""

    state: State
    error: str | None = None


class BatchAnswer(Struct, kw_only=True):
    """How one line came out."""

    status: int = 200
    body: Any = None
    """As a door of the line's endpoint answers."""
    error: JSON | None = None
    """Why the line was not asked, with `code` and `message`; there is no `body` then."""
    request_id: str = ""
    usage: Usage | None = None
    """None: as `body` says."""


class HandIn(Struct, kw_only=True):
    """What is handed in. It is written down before, so that a server that was killed finds its batch again."""

    mark: str
    """Ours alone. The ids of all lines begin with it."""
    endpoint: str
    model: str
    """Of all lines, without the provider's name; of the first one where they differ."""
    total: int
    since: float
    """Seconds since 1970: the provider's batch is not older."""
    file: str = ""
    """What `upload` gave."""


class BatchApi(Protocol):
    """A provider's own batch endpoint."""

    ENDPOINTS: frozenset[str]
    """What its lines may ask, by the names that OpenAI and Anthropic have for it."""
    ONE_MODEL: bool
    """Whether all lines must be for one model."""
    MAX_LINES: int
    MAX_BYTES: int

    def line(self, endpoint: str, id: str, model: str, body: JSON) -> bytes:
        """One line as the provider takes it. Raises `GuruError` where it does not."""
        ...

    async def upload(self, handed: HandIn, lines: bytes) -> str:
        """Lay the lines ready, where the provider wants that; doing it twice costs nothing. The name of the file."""
        ...

    async def start(self, handed: HandIn, lines: bytes) -> str:
        """From here on it costs money. The provider's id of the batch."""
        ...

    async def find(self, handed: HandIn) -> str | None:
        """The batch that `start` made, where nobody heard its id; None where it made none.

        Raises `ModelUnavailable` while that cannot be told yet.
        """
        ...

    async def status(self, id: str) -> BatchStatus: ...

    def results(self, id: str) -> AsyncIterator[tuple[str, JSON]]:
        """Each line that has come out: its id, and what the provider says of it."""
        ...

    def answer(self, endpoint: str, name: str, raw: JSON) -> BatchAnswer:
        """What `results` gave for a line, read. `name` is `provider/model`."""
        ...

    async def cancel(self, id: str) -> None: ...


def encode_lines(lines: list[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


encode = msgspec.json.Encoder().encode

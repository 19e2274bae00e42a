"""Small files, taken together: to wake a thread or a process once for each of them costs more than they do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from guru.knowledge.scan import Candidate

if TYPE_CHECKING:
    from guru.knowledge.remote import RemoteFile

BYTES: Final = 32 * 1024
"""A file is small up to here. Parsing it takes milliseconds."""
MOST: Final = 16
"""Files in a group: half a megabyte at most, which is read into memory."""


class Content(Struct, frozen=True):
    """A file as it was read. What is parsed and what is hashed are the same bytes, even when the file changes."""

    candidate: Candidate
    digest: str
    data: bytes


def grouped(files: Sequence[Candidate | RemoteFile]) -> list[list[Candidate | RemoteFile]]:
    """The files in their order, small ones that follow each other together. Blocks: looks at the size of each."""
    groups: list[list[Candidate | RemoteFile]] = []
    open_group = False
    for file in files:
        small = isinstance(file, Candidate) and _is_small(file)
        if small and open_group and len(groups[-1]) < MOST:
            groups[-1].append(file)
        else:
            groups.append([file])
        open_group = small
    return groups


def read(candidates: Iterable[Candidate]) -> tuple[list[Content], list[tuple[Candidate, OSError]]]:
    """The files, and those that cannot be read. Blocks."""
    contents, failed = [], []
    for candidate in candidates:
        try:
            data = candidate.path.read_bytes()
        except OSError as error:
            failed.append((candidate, error))
        else:
            contents.append(Content(candidate, hashlib.sha256(data).hexdigest(), data))
    return contents, failed


def _is_small(candidate: Candidate) -> bool:
    try:
        return candidate.path.stat().st_size <= BYTES
    except OSError:  # whoever reads it says so
        return False

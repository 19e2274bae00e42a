"""Small files, taken together: to wake a thread or a process once for each of them costs more than they do."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from guru.knowledge.scan import Candidate

if TYPE_CHECKING:
    from guru.knowledge.remote import RemoteFile

BYTES: Final = 32 * 1024
"""A file is small up to here. Parsing it takes milliseconds."""
MOST: Final = 64
"""Files in a group."""
TOGETHER: Final = 512 * 1024
"""Bytes of a group, which is read into memory."""


class Content(Struct, frozen=True):
    """A file as it was read. What is parsed and what is hashed are the same bytes, even when the file changes."""

    candidate: Candidate
    digest: str
    data: bytes


def grouped(files: Sequence[Candidate | RemoteFile]) -> list[list[Candidate | RemoteFile]]:
    """The files in their order, small ones that follow each other together. Blocks: looks at the size of each."""
    groups: list[list[Candidate | RemoteFile]] = []
    room = -1
    for file in files:
        size = _size(file)
        small = size <= BYTES
        if small and size <= room and len(groups[-1]) < MOST:
            groups[-1].append(file)
            room -= size
        else:
            groups.append([file])
            room = TOGETHER - size if small else -1
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


def _size(file: Candidate | RemoteFile) -> int:
    """In bytes, as far as it is known."""
    try:
        return file.path.stat().st_size if isinstance(file, Candidate) else sys.maxsize
    except OSError:  # whoever reads it says so
        return sys.maxsize

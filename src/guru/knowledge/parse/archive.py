"""ZIP archives: their members as files of a folder. What is wrong with one member is said of it; the others go on."""

from __future__ import annotations

import errno
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path

from msgspec import Struct

from guru.errors import UnreadableDocument
from guru.knowledge.parse.document import MIB, Limits
from guru.knowledge.parse.names import file_reason, folder_reason, is_archive

_MAX_NAME = 1024
_UTF8_NAME = 0x800
_DRIVE = re.compile(r"[A-Za-z]:")
_BROKEN = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)
_OFFICE = ("[Content_Types].xml", "mimetype")


class Member(Struct):
    """A file of an archive: in `file`, of the folder it was unpacked to, or left out with the reason."""

    name: str
    file: str | None = None
    refused: str | None = None
    """Why it cannot be read."""
    ignored: str | None = None
    """Why it is no document: hidden, a program, a picture ..."""


def unpack(path: Path, folder: Path, limits: Limits) -> list[Member]:
    """Unpack the archive `path` into `folder`; folders in it are left out, everything else is named.

    The sizes in an archive's directory bind: Python's zipfile never unpacks more of a member than it says there.
    Raises `UnreadableDocument` for what is no archive as a whole.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
            _refuse_document(entries)
            return list(_members(archive, entries, folder, limits))
    except (*_BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a place that is none, read in the archive
            raise
        raise UnreadableDocument(
            f"The archive is damaged ({error}).", hint="Check that it was saved or downloaded completely."
        ) from error


def _refuse_document(entries: list[zipfile.ZipInfo]) -> None:
    if any(entry.filename in _OFFICE for entry in entries[:10]):
        raise UnreadableDocument(
            "The file is named .zip but is a document.", hint="Rename it to what it is, such as .docx or .xlsx."
        )


def _members(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], folder: Path, limits: Limits
) -> Iterator[Member]:
    seen: set[str] = set()
    unpacked = 0
    for number, entry in enumerate(entries):
        if number >= limits.entries:
            more = f"{len(entries) - number:,} further members"
            yield Member(more, refused=f"The archive has more than {limits.entries:,} members. Split it.")
            return
        name = member_name(entry)
        member = Member(name, ignored=_ignored(name)) if _stays_inside(name) else Member(name, refused=_OUTSIDE)
        if not member.ignored:
            member.refused = member.refused or _refused(entry, name, seen, unpacked, limits)
        if not member.ignored and not member.refused:
            seen.add(name)
            unpacked += entry.file_size
            member.file = str(number)
            member.refused = _extract(archive, entry, folder / member.file)
            if member.refused:
                member.file = None
        yield member


_OUTSIDE = "Its name leads out of the archive."


def member_name(entry: zipfile.ZipInfo) -> str:
    """The name with `/`, in NFC. Without the flag that it is UTF-8 it may be so all the same, as macOS writes it."""
    name = entry.orig_filename.split("\0")[0]
    if not entry.flag_bits & _UTF8_NAME:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _stays_inside(name: str) -> bool:
    parts = name.split("/")
    return not (
        name.startswith("/")
        or ".." in parts
        or "" in parts
        or _DRIVE.match(name)
        or len(name) > _MAX_NAME
        or any(ord(character) < 32 for character in name)
    )


def _ignored(name: str) -> str | None:
    *folders, _ = name.split("/")
    return next(filter(None, map(folder_reason, folders)), None) or file_reason(name)


def _refused(entry: zipfile.ZipInfo, name: str, seen: set[str], unpacked: int, limits: Limits) -> str | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    size = entry.file_size
    if name in seen:
        return "The archive has two members of this name; the first was taken."
    if kind and kind != stat.S_IFREG:
        return "It is a link or a device, not a file."
    if entry.flag_bits & 1:
        return "It is encrypted with a password. Unpack the archive and ingest what it holds."
    if is_archive(name):
        return "It is an archive in an archive. Unpack it and ingest what it holds."
    if size > max(MIB, limits.unpacked_ratio * entry.compress_size):
        return f"It unpacks to over {limits.unpacked_ratio} times its size; it may be a zip bomb."
    if size > limits.file_bytes:
        return f"It has {size / 1e6:,.0f} MB; the limit is {limits.file_bytes / 1e6:,.0f} MB."
    if unpacked + size > limits.archive_bytes:
        return f"The archive unpacks to more than {limits.archive_bytes / 1e6:,.0f} MB. Split it."
    return None


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> str | None:
    """Write a member to `path`; gives what is wrong with it. Raises `OSError` when it cannot be written."""
    try:
        with archive.open(entry) as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, MIB)
    except _BROKEN as error:
        path.unlink(missing_ok=True)
        return f"It is damaged ({str(error) or type(error).__name__})."
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        path.unlink(missing_ok=True)
        return "It is damaged (its place in the archive is none)."
    return None

"""Office files are ZIP packages of XML: guards against bombs, before any library opens one."""

from __future__ import annotations

import io
import zipfile

from guru.errors import UnreadableDocument
from guru.knowledge.parse.document import MIB, Limits

_HEAD = 4096
_HINT = "Open it in the program that made it and save it again."


def check_package(data: bytes, limits: Limits) -> None:
    """Raises `UnreadableDocument` for a package that unpacks to too much, is encrypted, or defines XML entities.

    The sizes in the package's directory bind: Python's zipfile never unpacks more of a file than its directory says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            entries = package.infolist()
            if len(entries) > limits.entries:
                raise UnreadableDocument(f"The file holds {len(entries):,} parts, too many.", hint=_HINT)
            _check_sizes(entries, limits)
            for entry in entries:
                _check_entry(package, entry)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise UnreadableDocument(f"The file is damaged ({error}).", hint=_HINT) from error


def _check_sizes(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    total = sum(entry.file_size for entry in entries)
    if total > limits.unpacked_bytes:
        raise UnreadableDocument(
            f"The file unpacks to {total / 1e6:,.0f} MB; the limit is {limits.unpacked_bytes / 1e6:,.0f} MB.",
            hint="It may be a zip bomb. If it is yours, split it into smaller files.",
        )
    for entry in entries:
        if entry.file_size > max(MIB, limits.unpacked_ratio * entry.compress_size):
            raise UnreadableDocument(
                f"Part {entry.filename[:100]} of the file unpacks to over {limits.unpacked_ratio} times its size.",
                hint="It may be a zip bomb. If it is yours, remove what is empty or repeated in it.",
            )


def _check_entry(package: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & 1:
        raise UnreadableDocument("The file is encrypted with a password.", hint="Save a copy without a password.")
    if not entry.filename.endswith((".xml", ".rels")):
        return
    with package.open(entry) as part:
        head = part.read(_HEAD).replace(b"\x00", b"")
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise UnreadableDocument(
            f"A part of the file ({entry.filename[:100]}) defines XML entities, which office files never do.",
            hint="It may be an attack. Ask for it from where you have it as a PDF.",
        )

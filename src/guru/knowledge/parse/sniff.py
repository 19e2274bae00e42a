"""Which format a file is in: by its content first, by its name where the content leaves a choice."""

from __future__ import annotations

import io
import re
import zipfile

from msgspec import Struct

from guru.errors import UnreadableDocument
from guru.knowledge.parse.code import LANGUAGES
from guru.knowledge.parse.encoding import utf16_without_mark
from guru.knowledge.parse.names import last_part, suffix

SUPPORTED = (
    "PDF, DOCX, PPTX, XLSX, HTML, Markdown, plain text, CSV, TSV, JSON, JSON Lines, e-mail (.eml), source code, "
    "pictures with text (PNG, JPEG, TIFF, WebP) and ZIP archives of these"
)
_HINT = f"Guru reads {SUPPORTED}."

_EXTENSIONS = {
    "pdf": "pdf", "docx": "docx", "docm": "docx", "pptx": "pptx", "pptm": "pptx", "xlsx": "xlsx", "xlsm": "xlsx",
    "html": "html", "htm": "html", "xhtml": "html",
    "md": "markdown", "markdown": "markdown", "mdx": "markdown",
    "csv": "csv", "tsv": "csv", "tab": "csv",
    "json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "geojson": "json", "eml": "email",
    "png": "image", "jpg": "image", "jpeg": "image", "tif": "image", "tiff": "image", "webp": "image",
    "txt": "text", "text": "text", "log": "text", "rst": "text", "org": "text", "adoc": "text",
}  # fmt: skip
_BINARY_FORMATS = {"pdf", "docx", "pptx", "xlsx", "image"}
_PARTS = (("word/document.xml", "docx"), ("ppt/presentation.xml", "pptx"), ("xl/workbook.xml", "xlsx"))
_OTHER_MAGIC = (
    (b"GIF8", "a GIF image"), (b"BM", "a BMP image"), (b"RIFF", "a media file"),
    (b"\x1f\x8b", "a gzip archive"), (b"BZh", "a bzip2 archive"), (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"), (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x7fELF", "a program"), (b"MZ", "a program"), (b"SQLite format 3\x00", "an SQLite database"),
    (b"ID3", "an audio file"), (b"OggS", "an audio file"), (b"fLaC", "an audio file"), (b"\x00\x00\x01\x00", "an icon"),
)  # fmt: skip
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML = re.compile(
    rb"\s*+(?:<\?xml[^>]*>\s*+)?(?:<!--.*?-->\s*+)*+<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_MAIL_HEADER = re.compile(
    rb"^(From|To|Cc|Subject|Date|MIME-Version|Message-ID|Received|Return-Path|Content-Type|Delivered-To):[ \t]",
    re.MULTILINE | re.IGNORECASE,
)
_MAIL_START = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*:[ \t]|From )")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x08\x1b")) + b"\x7f"


class Format(Struct, frozen=True):
    """The `kind` of a file, and what is odd about its name."""

    kind: str
    warnings: list[str] = []


def sniff(data: bytes, name: str) -> Format:
    """The format of `data`. Raises `UnreadableDocument` for what Guru cannot read, saying what it is."""
    if not data.strip(b"\x00 \t\r\n\f"):
        raise UnreadableDocument("The file is empty.", hint="Check that it was saved or downloaded completely.")
    extension = suffix(name).lstrip(".")
    promised = _EXTENSIONS.get(extension)
    kind = _binary_kind(data)
    if kind is None:
        _refuse_binary(data, extension)
        kind = _text_kind(data, name, extension, promised)
        if promised in _BINARY_FORMATS:
            held = "an HTML page" if kind == "html" else "text"
            raise UnreadableDocument(
                f"The file is named .{extension} but is no {promised.upper()} file: it holds {held}.",
                hint="It may be an error page saved by a failed download. Fetch it again, or rename it if it is text.",
            )
    if kind == promised or kind not in _BINARY_FORMATS or not extension:
        return Format(kind)
    return Format(kind, [f"The file is named .{extension} but is a {kind.upper()} file; it was read as such."])


def _binary_kind(data: bytes) -> str | None:
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _package_kind(data)
    if data.startswith(_IMAGES) or (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        return "image"
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise UnreadableDocument(
                "The document is encrypted with a password.",
                hint="Remove the password in your office program and save it.",
            )
        raise UnreadableDocument(
            "The file is in the old binary Office format (DOC, XLS or PPT).",
            hint="Save it as DOCX, XLSX or PPTX in your office program.",
        )
    return None


def _package_kind(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = set(package.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise UnreadableDocument(
            f"The file is a damaged archive ({error}).", hint="Check that it was saved or downloaded completely."
        ) from error
    for part, kind in _PARTS:
        if part in names:
            return kind
    if "mimetype" in names and ("content.xml" in names or "META-INF/container.xml" in names):
        raise UnreadableDocument("The file is an OpenDocument or EPUB file, which Guru does not read.", hint=_HINT)
    raise UnreadableDocument(
        "The file is an archive.", hint=f"Name it .zip, or unpack it and ingest what it holds. {_HINT}"
    )


def _refuse_binary(data: bytes, extension: str) -> None:
    for magic, what in _OTHER_MAGIC:
        if data.startswith(magic) and (len(magic) > 2 or _is_binary(data)):
            raise UnreadableDocument(f"The file is {what}, not a document with text.", hint=_HINT)
    if data.startswith(b"{\\rtf"):
        raise UnreadableDocument("The file is in Rich Text Format.", hint="Save it as DOCX.")
    if _is_binary(data):
        what = f"a .{extension} file with" if extension else ""
        raise UnreadableDocument(f"The file is {what} binary data, not text.".replace("  ", " "), hint=_HINT)


def _is_binary(data: bytes) -> bool:
    """Whether bytes that no text holds are more than one in fifty. UTF-16 and UTF-32 are text."""
    head = data[:65536]
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")) or utf16_without_mark(head):
        return False
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls * 50 > len(head)


def _text_kind(data: bytes, name: str, extension: str, promised: str | None) -> str:
    head = data[:8192].lstrip(b"\xef\xbb\xbf")
    if promised in {"html", "markdown", "csv", "json", "jsonl", "email"}:
        return promised
    if extension in LANGUAGES or last_part(name) in LANGUAGES:
        return "code"
    if _HTML.match(head):
        return "html"
    if _MAIL_START.match(head) and len({found.lower() for found in _MAIL_HEADER.findall(head)}) >= 3:
        return "email"
    if promised is None and head.lstrip()[:1] in (b"{", b"["):
        return "json"
    return "text"

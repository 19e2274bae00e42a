"""From bytes to characters: which encoding it is, and repair of text that was decoded wrongly before it came here."""

from __future__ import annotations

import re

from guru.errors import UnreadableDocument

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# First characters of UTF-8 sequences as the code pages that are confused with it show them.
_SUSPECT = re.compile("[ÂÃâÅÄÐÑãäåæçèéðïþ‚¬√∂∑ΩÀ-ÿА-яÎÏ×ØÙ][^\x00-\x7f]|√.|¬.", re.DOTALL)
_SAMPLE = 256 * 1024


def decode(data: bytes, declared: str | None = None) -> tuple[str, list[str]]:
    """Decode `data` and repair mojibake. Returns the text and warnings on what was done to it.

    A byte order mark decides, then strict UTF-8, then the encoding that the file declares, then a guess.
    Raises `UnreadableDocument` for bytes that are no text.
    """
    text, encoding = _decode(data, declared)
    warnings = [] if encoding is None else [f"The file is not UTF-8; it was read as {encoding}."]
    repaired, lines = repair(text)
    if lines:
        warnings.append(f"Wrongly encoded characters were repaired in {lines} lines.")
    return repaired, warnings


def repair(text: str) -> tuple[str, int]:
    """Undo wrong decodings such as `‚Äì` or `â€“` for `–`. Returns the text and the number of lines changed.

    Works line by line with ftfy's encoding repair, which changes a line only when re-encoding it gives valid UTF-8
    and the line looks wrong before and right after.
    """
    if not is_suspect(text):
        return text, 0
    from ftfy import fix_encoding

    lines = text.split("\n")
    changed = 0
    for number, line in enumerate(lines):
        if not is_suspect(line):
            continue
        fixed = fix_encoding(line)
        if fixed != line and "\n" not in fixed and len(fixed) < len(line):
            lines[number] = fixed
            changed += 1
    return ("\n".join(lines), changed) if changed else (text, 0)


def is_suspect(text: str) -> bool:
    """Whether there is anything in it that may have been decoded wrongly."""
    return not text.isascii() and _SUSPECT.search(text) is not None


def utf16_without_mark(data: bytes) -> str | None:
    """`utf-16-le` or `utf-16-be` when nearly every second byte of `data` is zero, as in Western text."""
    head = data[:4096]
    if len(head) < 4:
        return None
    even, odd = head[0::2].count(0) / len(head[0::2]), head[1::2].count(0) / len(head[1::2])
    if odd > 0.7 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 and odd < 0.05 else None


def _decode(data: bytes, declared: str | None) -> tuple[str, str | None]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), None
            except UnicodeDecodeError:
                break
    unmarked = utf16_without_mark(data)
    if unmarked:
        return data.decode(unmarked, "replace"), None
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError:
        pass
    if declared:
        try:
            return data.decode(declared), declared
        except (UnicodeDecodeError, LookupError):
            pass
    return _guess(data)


def _guess(data: bytes) -> tuple[str, str]:
    import charset_normalizer

    if _mostly_utf8(data):
        return data.decode("utf-8", "replace"), "damaged UTF-8"
    best = charset_normalizer.from_bytes(data[:_SAMPLE]).best()
    for encoding in (best.encoding if best else "cp1252", "cp1252", "latin-1"):
        try:
            return data.decode(encoding), encoding
        except (UnicodeDecodeError, LookupError):
            continue
    raise UnreadableDocument("The file's text encoding is not known.", hint="Save it as UTF-8.")


def _mostly_utf8(data: bytes) -> bool:
    """Whether `data` is UTF-8 with a few bad bytes: many good sequences for each bad one."""
    text = data[:_SAMPLE].decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(1 for character in text if character > "\x7f") - bad
    return good > 10 * bad

"""E-mail: the headers that matter, the text, and attachments that can be read."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

from guru.errors import UnreadableDocument
from guru.knowledge.parse.builder import TextBuilder, clean
from guru.knowledge.parse.document import HeadingSpan, Limits, ParsedDocument
from guru.knowledge.parse.encoding import decode

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_BODIES = {"text/plain", "text/html"}
_MAX_NESTING = 5
_MAX_HEADER = 4000


def parse_mail(data: bytes, name: str, limits: Limits, *, nesting: int = 0) -> ParsedDocument:
    """Read a message. Attachments in a format that Guru reads follow under a heading of their name; the others are
    listed in `metadata["attachments"]` with the reason. Raises `UnreadableDocument`."""
    message = email.message_from_bytes(data, _class=EmailMessage, policy=email.policy.default)
    headers = {field: value for field in _HEADERS if (value := _header(message, field))}
    builder = TextBuilder(limits)
    for field, value in headers.items():
        builder.line(f"{field}: {value}")
    builder.end_block()
    warnings: list[str] = []
    body, attachments = _parts(message, limits)
    if body is not None:
        _add(builder, _body(body, limits), 0)
    listed = [_attachment(builder, part, limits, nesting, warnings) for part in attachments]
    return ParsedDocument(
        text=builder.text(),
        media_type="message/rfc822",
        title=headers.get("Subject"),
        author=headers.get("From"),
        created=_date(headers.get("Date")),
        headings=builder.headings,
        metadata={
            **{field.lower(): value for field, value in headers.items()},
            **({"attachments": listed} if listed else {}),
        },
        warnings=warnings,
    )


def _parts(message: EmailMessage, limits: Limits) -> tuple[EmailMessage | None, list[EmailMessage]]:
    """The part to show as the message's text, plain before HTML, and all parts that are files."""
    body: EmailMessage | None = None
    files: list[EmailMessage] = []
    stack: list[Any] = [message]
    count = 0
    while stack:
        part = stack.pop()
        count += 1
        if count > limits.entries:
            raise UnreadableDocument("The message has too many parts.", hint="Save its attachments as files.")
        kind = part.get_content_type()
        if part.is_multipart() and kind != "message/rfc822":
            stack.extend(reversed(part.get_payload()))
        elif kind == "message/rfc822" or part.get_filename() or part.get_content_disposition() == "attachment":
            files.append(part)
        elif kind in _BODIES and (body is None or kind == "text/plain" != body.get_content_type()):
            body = part
        elif kind != "text/html" or (body is not None and body.get_content_type() == kind):
            files.append(part)
    return body, files


def _body(part: EmailMessage, limits: Limits) -> ParsedDocument:
    data = _payload(part)
    if part.get_content_type() == "text/html":
        from guru.knowledge.parse.html import parse_html

        return parse_html(data, "", limits)
    text, warnings = decode(data, part.get_content_charset())
    return ParsedDocument(text=clean(text).strip(), media_type="text/plain", warnings=warnings)


def _attachment(
    builder: TextBuilder, part: EmailMessage, limits: Limits, nesting: int, warnings: list[str]
) -> dict[str, Any]:
    from guru.knowledge.parse import parse

    data = _payload(part)
    is_message = part.get_content_type() == "message/rfc822"
    name = clean(part.get_filename() or ("message.eml" if is_message else "attachment")).replace("\n", " ")
    listed = {"name": name, "media_type": part.get_content_type(), "bytes": len(data)}
    try:
        if nesting >= _MAX_NESTING:
            raise UnreadableDocument("Messages are nested too deeply.")
        if is_message or name.lower().endswith(".eml"):
            document = parse_mail(data, name, limits, nesting=nesting + 1)
        else:
            document = parse(data, name, limits=limits)
    except UnreadableDocument as error:
        warnings.append(f"The attachment {name} was not read: {error.message}")
        return {**listed, "error": error.message}
    warnings.extend(f"{name}: {warning}" for warning in document.warnings)
    builder.heading(1, f"Attachment: {name}")
    _add(builder, document, 1)
    return listed


def _add(builder: TextBuilder, document: ParsedDocument, level: int) -> None:
    start = builder.block(document.text)
    builder.headings.extend(
        HeadingSpan(heading.level + level, heading.title, heading.start + start) for heading in document.headings
    )


def _payload(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        return inner[0].as_bytes() if isinstance(inner, list) and isinstance(inner[0], EmailMessage) else b""
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _header(message: EmailMessage, field: str) -> str:
    value: Any = next((raw for key, raw in message.raw_items() if key.lower() == field.lower()), "")
    if len(value) <= _MAX_HEADER:  # Python's header parser takes minutes for headers of megabytes
        try:
            value = message.get(field, "")
        except (ValueError, IndexError, AttributeError, TypeError):
            pass  # headers that it trips over stay as they are
    return clean(" ".join(str(value).split()))


def _date(text: str | None) -> str | None:
    try:
        return parsedate_to_datetime(text).isoformat() if text else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None

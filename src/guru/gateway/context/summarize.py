"""The older part of a conversation, told in short by the model itself."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec

from guru.gateway.context.asking import Asker, pieces
from guru.types import AudioPart, FilePart, ImagePart, Message

KEPT: Final = 512
"""Summaries that are kept at hand: the next turn of a conversation needs the same one, or one that begins with it."""
LARGEST: Final = 4 << 20
"""Characters of all of them."""
SYSTEM: Final = (
    "You summarise conversations so that they can be continued. Write down every fact, name, number, decision, "
    "preference and open question that may matter later, in the language of the conversation. No introduction."
)
HEAD: Final = "Summary of the earlier conversation, which is no longer shown:\n"
SHOWN: Final[dict[type, str]] = {
    ImagePart: "shows an image",
    AudioPart: "plays a recording",
    FilePart: "attaches a file",
}
"""What cannot be told in short is named at least."""
_encode = msgspec.json.Encoder().encode


class Summaries:
    """Makes summaries and remembers them by whose and of what they are."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, str] = OrderedDict()
        self._size = 0

    async def of(self, tenant: str, messages: list[Message], asker: Asker, size: int, room: int) -> Message:
        """A message of at most about `size` tokens in place of `messages`; one question may have `room` tokens."""
        key = blake2b(_encode((tenant, asker.name, size, messages)), digest_size=16).digest()
        summary = self._kept.get(key)
        if summary is None:
            summary = await summarize(transcript(messages), asker, size, room)
            self._kept[key] = summary
            self._size += len(summary)
            while len(self._kept) > KEPT or self._size > LARGEST:
                self._size -= len(self._kept.popitem(last=False)[1])
        if key in self._kept:
            self._kept.move_to_end(key)
        # No instruction: what users said must not speak with the voice of the application.
        return Message(role="user", content=HEAD + summary)


async def summarize(text: str, asker: Asker, size: int, room: int) -> str:
    """`text` in about `size` tokens: part by part, each with the summary so far."""
    summary = ""
    for piece in pieces(asker.name, text, max(room - size, 64)):
        before = f"Summary so far:\n{summary}\n\nWhat was said next:\n" if summary else ""
        summary = await asker.ask(SYSTEM, before + piece, size)
    return summary


def transcript(messages: list[Message]) -> str:
    """A conversation as text."""
    lines: list[str] = []
    for message in messages:
        name = {"user": "User", "assistant": "Assistant", "tool": "Result of a tool"}.get(message.role, message.role)
        calls = "".join(
            f"\n(calls {call.function.name} {call.function.arguments})" for call in message.tool_calls or ()
        )
        shown = "".join(f"\n({SHOWN[type(part)]})" for part in message.content or () if type(part) in SHOWN)
        lines.append(f"{name}: {message.text}{shown}{calls}")
    return "\n\n".join(lines)

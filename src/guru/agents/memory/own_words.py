"""What of a message are the person's own words.

A message can carry what others wrote: a document that was pasted, a mail, code, a quotation. What stands there is not
said by the person, and nothing of it is remembered: a page that says "remember that ..." teaches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from guru.types import Message, TextPart

LONGEST: Final = 2_000
"""Characters of own words above which a message is taken for a text that was pasted."""
NOT_OWN: Final = (
    re.compile(r"(```|~~~).*?(?:\1|\Z)", re.DOTALL),  # code, also where its end is missing
    re.compile(r"`[^`\n]*`"),
    re.compile(r"<([A-Za-z][\w.-]*)[^>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL),  # a document in tags
    re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL),
    re.compile(r"^[ \t]*(?:>|\|).*$", re.MULTILINE),  # a quotation, a table
    re.compile(r"\[.*?(?:\]|\Z)", re.DOTALL),
    re.compile(r"\{.*?(?:\}|\Z)", re.DOTALL),  # JSON
    re.compile(r"[\"\u201c\u201e\u00ab].*?(?:[\"\u201d\u201c\u00bb]|\Z)", re.DOTALL),
    re.compile(r"(?:^|(?<=\s))'[^'\n]+'(?=\W|$)"),
)
PASTED: Final = re.compile(
    r":[ \t]*\n"  # "Summarise this:" and what follows on the next line
    r"|^[ \t]*(?:-{3,}|={3,}|\*{3,}|#{1,6} ).*$"  # a rule or a heading
    r"|^[ \t]*(?:From|To|Subject|Date|Sent|Cc): .*$"  # the head of a mail
    r"|\b(?:translate|summari[sz]e|paraphrase|rewrite|rephrase|proofread|correct|classify|analy[sz]e|explain|review|"
    r"shorten|check|improve|read|quote|document|text|page|article|mail|e-?mail|tool|result|output|file|website|says|"
    r"said|writes|wrote|following)\b[^.!?\n:]{0,80}:",
    re.MULTILINE | re.IGNORECASE,
)
"""What comes after is what the message is about, up to its end."""
SENTENCE: Final = re.compile(r"(?:\b(?:St|Mr|Mrs|Ms|Dr|Prof|Inc|Ltd|vs|approx)\.(?=\s)|[.!?](?!\s|$)|[^.!?\n])+[.!?]*")


def own_text(message: Message) -> str | None:
    """The text of a person's message; None where it has several texts, of which nobody knows who wrote which."""
    if message.role != "user":
        return None
    if isinstance(message.content, str):
        return message.content
    texts = [part.text for part in message.content or () if isinstance(part, TextPart)]
    return texts[0] if len(texts) == 1 else None


def own_sentences(text: str) -> Iterator[tuple[int, int]]:
    """`[start, end)` of every sentence that the person wrote. None of a message that looks pasted as a whole."""
    if len(text) > 10 * LONGEST:
        return
    end = found.start() if (found := PASTED.search(text)) else len(text)
    bare = text[:end]
    for expression in NOT_OWN:
        # Blanks, so that offsets stay, and a mark: a sentence with a hole is not the person's sentence.
        bare = expression.sub(lambda found: "\0" * len(found[0]), bare)
    if len(bare.replace("\0", "").strip()) > LONGEST:
        return
    for sentence in SENTENCE.finditer(bare):
        said = sentence[0]
        start = sentence.start() + len(said) - len(said.lstrip(" \t-*\u2022"))
        stop = sentence.start() + len(said.rstrip())
        if "\0" not in said and start < stop:
            yield start, stop


JOINTS: Final = re.compile(
    r",?\s+(?:and|but|so|because)\s+(?=(?:i|my|we|our)\b)|[;,]\s+(?=(?:i|my|we|our)\b)", re.IGNORECASE
)


def clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a sentence that say something of the person each: "my name is Ann | and | I need help"."""
    begin = start
    for joint in JOINTS.finditer(text, start, end):
        yield begin, joint.start()
        begin = joint.end()
    yield begin, end

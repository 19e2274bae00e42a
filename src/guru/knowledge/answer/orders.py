"""Text in a document that speaks to the model: it is shown as data, and no answer can rest on it.

It is data-marked (its spaces become dots), so that it reads as quoted text and not as a request: K. Hines et al.,
"Defending Against Indirect Prompt Injection Attacks With Spotlighting", 2024.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeVar

_READER: Final = r"(?:ai|a\.i\.|assistants?|chatbots?|llms?|(?:large )?language models?|ai models?|bots?)"
_REST: Final = r"[^.!?\n]"
_RULES_OF: Final = {
    # to leave the task, in the languages that this is written in most
    ("ignor", "disregard", "forget", "overrid", "bypass", "supersed", "skip", "follow", "attention"):
        rf"\b(?:overrid|supersed)\w*{_REST}{{0,40}}?\b(?:instructions?|prompts?|(?:sources?|documents?|everything) "
        rf"above)\b{_REST}*|"
        r"\b(?:ignore|disregard|forget|bypass|skip|stop following|do not follow|don't follow|pay no "
        rf"attention to)\b{_REST}{{0,40}}?\b(?:instructions?|prompts?|(?:previous|prior|preceding|earlier) \w+|"
        r"(?:rules|text|everything|sources?) above|the question|the user|everything (?:you|before|so far)\w*|"
        rf"your (?:rules|guidelines|task|training))\b{_REST}*",
    ("ignorier", "vergiss", "vergess", "missacht"):
        rf"\b(?:ignorier|vergiss|vergesst|missachte)\w*{_REST}{{0,50}}?\b(?:anweisung|instruktion|vorgabe|regel|befehl)"
        rf"\w*{_REST}*",
    ("ignor", "oubli", "néglig", "olvid", "omit", "dimentic", "esque"):
        rf"\b(?:ignor|oubli|néglig|olvid|omit|dimentic|esque[çc])\w*{_REST}{{0,50}}?\b(?:instruction|consigne|règle|"
        rf"instrucci|órden|indica[cz]ion|istruzion|regol|instruç|orden)\w*{_REST}*",
    ("negeer", "vergeet", "ignoruj", "zapomnij", "игнорир", "забуд"):
        rf"\b(?:negeer|vergeet|zignoruj|ignoruj|zapomnij|проигнорир|игнорир|забуд)\w*{_REST}{{0,50}}?\b(?:instructie|"
        rf"aanwijzing|regel|instrukcj|polece|инструкци|указани|правил)\w*{_REST}*",
    ("talimat", "yönerge", "komut"):
        rf"(?:talimat|yönerge|komut)\w*{_REST}{{0,30}}?(?:yok say|unut|görmezden|dikkate alma)\w*{_REST}*",
    ("忽略", "无视", "無視", "忘", "무시", "잊", "تجاهل", "انس", "अनदेखा", "भूल"):
        r"(?:忽略|无视|無視|忘记|忘掉)[^。！？\n]{0,20}?(?:指令|指示|提示|说明|規則|规则|要求)[^。！？\n]*"
        r"|(?:指示|命令|指令|プロンプト)[^。！？\n]{0,12}?(?:無視|忘れ)[^。！？\n]*"
        rf"|(?:지시|명령|지침){_REST}{{0,12}}?(?:무시|잊){_REST}*"
        rf"|(?:تجاهل|انس){_REST}{{0,40}}?(?:التعليمات|الأوامر|تعليمات){_REST}*"
        r"|निर्देश[^।!?\n]{0,30}?(?:अनदेखा|भूल)[^।!?\n]*",
    # to be another
    ("you are now", " mode", "act as", "pretend"):
        rf"\byou are now (?:an? |the |[A-Z]{{3,}}){_REST}*|\b(?:developer|god|dan|debug) mode (?:enabled|on|activated)"
        rf"\b{_REST}*|\bact as (?:if you|an? (?:unrestricted|different))\b{_REST}*"
        rf"|(?:^|[.!?:]\s+)pretend (?:to be|that you)\b{_REST}*",
    # to whoever reads for somebody
    ("ai", "a.i.", "assistant", "chatbot", "llm", "language model", "bot"):
        r"\b(?:note|message|instructions?|attention|memo|order|command|important|dear|hey|hello)[ ,:]*(?:to|for)?[ ,:]*"
        rf"(?:the |any |all |every )?{_READER}\b{_REST}*"
        rf"|\b(?:if|since|when|as) you (?:are|'re) an? {_READER}\b{_REST}*"
        rf"|\b{_READER} (?:reading|processing|that reads?|summari[sz]ing|answering|must|shall)\b{_REST}*",
    # to say something, or to show what is not for others
    ("instruction",): r"\b(?:new|updated|real|actual|secret|hidden) instructions?\s*:\s*\S[^\n]*",
    ("respond", "reply", "answer", "say", "output", "print", "write"):
        r"(?:^|[.!?:;,]\s+|\b(?:please|and|then|to)\s+)(?:respond|reply|answer|say|output|print|write)\s+(?:only|"
        rf"exactly|nothing but)\b{_REST}*|\b(?:answer|reply to|respond to) every (?:question|query|request)\b{_REST}*"
        rf"|\byou (?:must|will) (?:always |only |now )?(?:say|reply|respond|output|cite)\b{_REST}*"
        rf"|(?:^|[.!?:;,]\s+|\bplease )(?:do not|don't|never) (?:answer|cite|mention|use|quote|trust)\b{_REST}{{0,30}}"
        rf"\b(?:question|sources?|documents?|user|passages?|citations?|context)\b{_REST}*",
    ("prompt", "instructions"):
        r"\b(?:reveal|repeat|print|output|show|leak|send|translate)\b[^.!?\n]{0,30}\b(?:(?:system|hidden|initial|your) "
        rf"(?:prompt|instructions)|instructions above)\b{_REST}*",
    # that its frame ends here
    (" of ",):
        r"^[ \t#=*_-]*(?:end|begin(?:ning)?|start) of (?:the )?(?:\w+ )?(?:documents?|sources?|context|prompt|"
        r"instructions?)\b[^\n]*",
    ("cite",): rf"\bcite (?:only |this |just )?(?:it as |as )?(?:source|document)s? ?\[?\d{_REST}*",
}  # fmt: skip
_RULES: Final = tuple(
    (words, re.compile(pattern, re.IGNORECASE | re.MULTILINE)) for words, pattern in _RULES_OF.items()
)
"""What tells the model to leave its task, each with words of which a text has one: to look for those first is faster.
The rest of its paragraph is no evidence for anything."""
_ORDER: Final = re.compile(
    r"\byou (?:are now|must now|will now|have to now)\b[^.!?\n]*"
    r"|^[ \t#>*_-]*(?:system|assistant|user|developer|human|tool)[ \t*_]*:[^\n]*"
    r"|\b(?:new|updated|important) instructions?\b[^.!?\n]*",
    re.IGNORECASE | re.MULTILINE,
)
"""What only looks like it, as manuals and transcripts have it too: a model's sentences cannot rest on it."""
_CONTROL: Final = re.compile(
    r"<[|｜][^|｜>\n]{0,40}[|｜]?>?|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|"
    r"gMASK)\]|<</?SYS>>|</?(?:s|bos|eos|pad|unk|mask|sop|eop|think|thinking|start_of_turn|end_of_turn|"
    r"end_of_utterance|tool_calls?|tool_response|function_calls?|antml:\w+|start_header_id|end_header_id)>"
    r"|</?(?:source|system|user|assistant|instructions?|context|invoke)\b|\bHuman:(?=\s)"
    r"|[\"']role[\"']\s*:\s*[\"'](?:system|assistant|user|developer|tool)\b",
    re.IGNORECASE,
)
"""Frames of prompts and tokens of chat templates."""
_INVISIBLE: Final = re.compile(
    "[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]|[\ufe00-\ufe0e]|(?<=\ufe0f)\ufe0f"
)
"""Nobody sees it, and models read it: zero width, directions, Unicode's tags, variation selectors in a row."""
_IMAGE: Final = re.compile(r"!\[([^\]\n]{0,300})\](?:\([^)\n]*\)|\[[^\]\n]*\])|<img\b[^>\n]*>?", re.IGNORECASE)
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ENCODED: Final = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{24,}={0,2}(?![A-Za-z0-9+/=])")
_LONGEST_ENCODED: Final = 8192
_NAME: Final = re.compile(r"[\[\]()<>!`*_|#\\]+(?=\W|$)|[\[\]()<>!`|\\]")


class Spanned(Protocol):
    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def text(self) -> str: ...


Sentence = TypeVar("Sentence", bound=Spanned)


def gives_orders(text: str) -> bool:
    """Whether a text addresses the model that reads it, rather than a person."""
    seen = _as_read(text)
    return _ORDER.search(seen) is not None or _overrides(seen)


def overrides(text: str) -> bool:
    """Whether a text tells the model to leave its task, or forges the frame that it stands in."""
    return _overrides(_as_read(text))


def _overrides(seen: str) -> bool:
    if _breaks_rules(seen) or _CONTROL.search(seen):
        return True
    return any(_breaks_rules(text) or _ORDER.search(text) for text in map(_decoded, _ENCODED.findall(seen)) if text)


def _breaks_rules(text: str) -> bool:
    return any(pattern.search(text) for pattern in _rules_for(text))


def _rules_for(text: str) -> Iterator[re.Pattern[str]]:
    lowered = text.lower()
    return (pattern for words, pattern in _RULES if any(word in lowered for word in words))


def _as_read(text: str) -> str:
    """Without what cannot be seen, and with one letter for each that only looks different."""
    return text if text.isascii() else unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


def _decoded(run: str) -> str:
    """What a long run of letters says in base64; empty for what is none."""
    if len(run) > _LONGEST_ENCODED:
        run = run[:_LONGEST_ENCODED]
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""


def neutralise(text: str) -> str:
    """Text of a source that cannot close its frame, open a role, load a picture or give an order, without comments and
    what nobody sees; other text comes back as it is."""
    text = without_images(_COMMENT.sub("", _INVISIBLE.sub("", text)))
    text = _CONTROL.sub(
        lambda match: match.group().translate({60: "‹", 91: "⟦", 93: "⟧", 124: "¦", 0xFF5C: "¦", 58: "∶"}), text
    )
    text = _ENCODED.sub(lambda match: "[encoded text]" if _overrides(match.group()) else match.group(), text)
    for pattern in (*_rules_for(text), _ORDER):
        text = pattern.sub(lambda match: re.sub(r"\s+", "·", match.group().strip()), text)
    return text


def without_images(text: str) -> str:
    """Pictures of Markdown and HTML as their descriptions: to show one is to ask an address for it."""
    return _IMAGE.sub(lambda match: match[1] or "", text)


def shown_name(name: str) -> str:
    """The name of a document within the text of an answer: on one line, without markup."""
    return " ".join(_NAME.sub(" ", neutralise(name)).split())[:200] or "a document"


def evident(text: str, offset: int, sentences: Sequence[Sentence]) -> list[Sentence]:
    """The sentences of a passage that may be evidence: none in a comment, and none from an order to the end of its
    paragraph. `text` is the passage, which begins at `offset`."""
    hidden = [(match.start() + offset, match.end() + offset) for match in _COMMENT.finditer(text)]
    kept: list[Sentence] = []
    ordered_until = -1
    for sentence in sentences:
        if any(start < sentence.end and sentence.start < end for start, end in hidden):
            continue
        if sentence.start < ordered_until:
            continue
        if overrides(sentence.text):
            end = text.find("\n", sentence.end - offset)
            ordered_until = len(text) + offset if end < 0 else end + offset
            continue
        kept.append(sentence)
    return kept

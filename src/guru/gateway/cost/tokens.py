"""How many tokens a text or a request is, where no provider has said so.

OpenAI's models are counted exactly. Others publish no vocabulary that could be shipped: they are counted with OpenAI's
newest one, times a factor that errs to the high side. Before a request, for limits, four bytes count as a token.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Final

import msgspec

from guru.gateway.cost.bpe import Encoding
from guru.types import ChatRequest, FilePart, ImagePart, Message, TextPart, TextRequest, Usage

BYTES_PER_TOKEN: Final = 4
MESSAGE_TOKENS: Final = 4
"""What frames a message: OpenAI's three and the role."""
IMAGE_TOKENS: Final = 765
"""An image of 1024 by 1024 in high detail, as OpenAI counts it; others are of the same order."""
LOW_IMAGE_TOKENS: Final = 85
FILE_TOKENS: Final = 1500
"""A page of a PDF, about; how many it has is not looked up."""
LONG: Final = 16_000
"""Characters; a longer text is counted by samples where nobody may wait."""
SAMPLES: Final = 8
OLD_OPENAI = re.compile(r"gpt-4(?![o.\w]|-?5)|gpt-3\.5|text-embedding|ada-002|davinci-002|babbage-002")
OPENAI = re.compile(r"gpt|chatgpt|\bo\d|codex|text-embedding|ada-002|davinci-002|babbage-002|moderation")
FACTORS: Final = ((re.compile("claude"), 1.2), (re.compile("gemini|gemma"), 1.1))
"""Of models that are not OpenAI's: their tokens for one of o200k."""
OTHER_FACTOR: Final = 1.15

encode = msgspec.json.Encoder().encode
_loading: set[str] = set()
_loaded: dict[str, Encoding] = {}
_lock = threading.Lock()


@lru_cache(4096)  # callers may invent any number of names
def vocabulary(model: str) -> tuple[str, float]:
    """The encoding that `provider/model` is counted with, and the factor; 1.0 where the count is exact."""
    name = model.lower().rpartition("/")[2]
    if OPENAI.search(name):
        return ("cl100k" if OLD_OPENAI.search(name) else "o200k"), 1.0
    return "o200k", next((factor for rule, factor in FACTORS if rule.search(name)), OTHER_FACTOR)


def count_tokens(model: str, text: str) -> int:
    """The tokens of `text`, without ever waiting.

    While the vocabulary is being read (in a thread, from the first call on), four bytes count as one; a text over
    16,000 characters is counted by samples (within 3 % for prose).
    """
    name, factor = vocabulary(model)
    encoding = _loaded.get(name)
    if encoding is None:
        load_soon(name)
        return estimate_text(text)
    if len(text) > LONG:
        part, step = LONG // SAMPLES, len(text) // SAMPLES
        sample = sum(encoding.count(text[start * step : start * step + part]) for start in range(SAMPLES))
        return round(sample * len(text) / LONG * factor)
    return round(encoding.count(text) * factor)


def estimate_text(text: str) -> int:
    """Four bytes of UTF-8 as a token: within a third for English, code, Russian and Chinese."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_PER_TOKEN)


def estimate_tokens(request: ChatRequest | TextRequest) -> int:
    """The tokens of a prompt, in microseconds: what a limit reserves before the truth is known."""
    if isinstance(request, TextRequest):
        prompt = request.prompt
        return estimate_text(prompt) if isinstance(prompt, str) else len(prompt)
    total = 3
    for message in request.messages:
        content = message.content
        total += MESSAGE_TOKENS
        if isinstance(content, str):
            total += estimate_text(content)
        elif content:
            total += estimate_parts(message)
        for call in message.tool_calls or ():
            total += estimate_text(call.function.name) + estimate_text(call.function.arguments)
    if request.tools or request.native_tools or request.response_format:
        extra = (request.tools, request.native_tools, request.response_format)
        total += len(encode(extra)) // BYTES_PER_TOKEN
    return total


def count_prompt(model: str, request: ChatRequest | TextRequest) -> int:
    """The tokens of a prompt as `count_tokens` finds them."""
    if isinstance(request, TextRequest):
        prompt = request.prompt
        return count_tokens(model, prompt) if isinstance(prompt, str) else len(prompt)
    total = 3 + sum(count_message(model, message) for message in request.messages)
    for item in (request.tools, request.native_tools, request.response_format):
        if item:
            total += count_tokens(model, encode(item).decode())
    return total


def count_message(model: str, message: Message) -> int:
    """The tokens of one message, with what frames it."""
    total = MESSAGE_TOKENS + count_tokens(model, message.text)
    if not isinstance(message.content, str):
        total += sum(part_tokens(part) for part in message.content or () if not isinstance(part, TextPart))
    for call in message.tool_calls or ():
        total += MESSAGE_TOKENS + count_tokens(model, f"{call.function.name} {call.function.arguments}")
    return total


def interrupted_usage(model: str, request: ChatRequest | TextRequest, answer: str) -> Usage:
    """What a provider bills for an answer that was cut off: the prompt, and what it had generated. An estimate."""
    return Usage(count_prompt(model, request), count_tokens(model, answer), estimated=True)


def estimate_parts(message: Message) -> int:
    return sum(
        estimate_text(part.text) if isinstance(part, TextPart) else part_tokens(part)
        for part in message.content or ()
        if not isinstance(part, str)
    )


def part_tokens(part: object) -> int:
    """What is not text, roughly."""
    if isinstance(part, ImagePart):
        return LOW_IMAGE_TOKENS if part.image_url.detail == "low" else IMAGE_TOKENS
    if isinstance(part, FilePart):
        return FILE_TOKENS
    return len(encode(part)) // BYTES_PER_TOKEN // 40  # sound: a second is some 25 tokens and some 4,000 bytes


def load_soon(name: str) -> None:
    """Read a vocabulary in a thread."""
    with _lock:
        if name in _loading or name in _loaded:
            return
        _loading.add(name)
    threading.Thread(target=load, args=(name,), name="guru-tokens", daemon=True).start()


def load(name: str) -> Encoding:
    """Read a vocabulary, once. Blocks for up to a second the first time."""
    encoding = _loaded.get(name)
    if encoding is None:
        encoding = Encoding.load(name)
        for text in ("a", "é", "😀"):  # makes the pattern for each reach, here and not in the middle of a request
            encoding.count(text)
        with _lock:
            encoding = _loaded.setdefault(name, encoding)
            _loading.discard(name)
    return encoding

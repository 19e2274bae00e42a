"""The functions of Amazon States Language ("Intrinsic Functions"): no more, and none that reaches outside."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import random
import uuid
from collections.abc import Callable
from typing import Any, Final

MAX_ITEMS: Final = 1000
MAX_TEXT: Final = 10_000
"""Of what may be encoded, decoded and hashed, as there."""
HASHES: Final = {"MD5": hashlib.md5, "SHA-1": hashlib.sha1, "SHA-256": hashlib.sha256, "SHA-384": hashlib.sha384,
                 "SHA-512": hashlib.sha512}  # fmt: skip


class IntrinsicError(ValueError):
    """A function was given something that it does not take."""


def need(holds: bool, what: str) -> None:
    if not holds:
        raise IntrinsicError(what)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def text_format(template: Any, *values: Any) -> str:
    r"""`{}` is replaced by the values in order; `\{` and `\}` are braces."""
    need(isinstance(template, str), "States.Format takes a text first.")
    parts: list[str] = []
    left, at = list(values), 0
    while at < len(template):
        if template[at] == "\\" and template[at + 1 : at + 2] in ("{", "}", "\\", "'"):
            parts.append(template[at + 1])
            at += 2
        elif template.startswith("{}", at):
            need(bool(left), "States.Format has more `{}` than values.")
            value = left.pop(0)
            parts.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            at += 2
        else:
            parts.append(template[at])
            at += 1
    need(not left, "States.Format has more values than `{}`.")
    return "".join(parts)


def string_to_json(text: Any) -> Any:
    need(isinstance(text, str), "States.StringToJson takes a text.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise IntrinsicError("States.StringToJson was given what is not JSON.") from None


def array_partition(values: Any, size: Any) -> list[list[Any]]:
    need(isinstance(values, list) and is_integer(size) and size > 0, "States.ArrayPartition takes a list and a size.")
    return [values[start : start + size] for start in range(0, len(values), size)]


def array_contains(values: Any, value: Any) -> bool:
    need(isinstance(values, list), "States.ArrayContains takes a list first.")
    return any(same(item, value) for item in values)


def array_range(first: Any, last: Any, step: Any) -> list[int]:
    need(
        all(map(is_integer, (first, last, step))) and step != 0, "States.ArrayRange takes whole numbers; no step of 0."
    )
    found = range(first, last + (1 if step > 0 else -1), step)
    need(len(found) <= MAX_ITEMS, f"States.ArrayRange makes at most {MAX_ITEMS:,} numbers.")
    return list(found)


def array_get_item(values: Any, index: Any) -> Any:
    need(isinstance(values, list) and is_integer(index), "States.ArrayGetItem takes a list and an index.")
    need(0 <= index < len(values), f"States.ArrayGetItem: there is no element {index} of {len(values)}.")
    return values[index]


def array_length(values: Any) -> int:
    need(isinstance(values, list), "States.ArrayLength takes a list.")
    return len(values)


def array_unique(values: Any) -> list[Any]:
    need(isinstance(values, list), "States.ArrayUnique takes a list.")
    seen: dict[str, Any] = {}
    for value in values:
        seen.setdefault(json.dumps(value, sort_keys=True), value)
    return list(seen.values())


def base64_encode(text: Any) -> str:
    need(isinstance(text, str) and len(text) <= MAX_TEXT, f"States.Base64Encode takes up to {MAX_TEXT:,} characters.")
    return base64.b64encode(text.encode()).decode()


def base64_decode(text: Any) -> str:
    need(isinstance(text, str) and len(text) <= MAX_TEXT, f"States.Base64Decode takes up to {MAX_TEXT:,} characters.")
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise IntrinsicError("States.Base64Decode was given what is not base 64 of a text.") from None


def hash_of(value: Any, algorithm: Any) -> str:
    need(algorithm in HASHES, f"States.Hash knows {', '.join(HASHES)}.")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    need(len(text) <= MAX_TEXT, f"States.Hash takes up to {MAX_TEXT:,} characters.")
    return str(HASHES[algorithm](text.encode(), usedforsecurity=False).hexdigest())


def json_merge(first: Any, second: Any, deep: Any = False) -> dict[str, Any]:
    need(isinstance(first, dict) and isinstance(second, dict), "States.JsonMerge takes two objects.")
    need(deep is False, "States.JsonMerge merges the first level only: its third argument is false.")
    merged: dict[str, Any] = first | second
    return merged


def math_add(first: Any, second: Any) -> int | float:
    need(is_number(first) and is_number(second), "States.MathAdd takes two numbers.")
    return first + second  # type: ignore[no-any-return]


def math_random(start: Any, end: Any, seed: Any = None) -> int:
    need(is_integer(start) and is_integer(end) and start < end, "States.MathRandom takes two whole numbers in order.")
    return random.Random(seed if is_integer(seed) else None).randrange(start, end)


def string_split(text: Any, separators: Any) -> list[str]:
    need(isinstance(text, str) and isinstance(separators, str), "States.StringSplit takes two texts.")
    parts, word = [], ""
    for character in text:
        if character in separators:
            parts.append(word)
            word = ""
        else:
            word += character
    return [part for part in [*parts, word] if part]


def make_uuid() -> str:
    return str(uuid.uuid4())


def same(one: Any, other: Any) -> bool:
    """Equality of JSON: true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "States.Format": text_format,
    "States.StringToJson": string_to_json,
    "States.JsonToString": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "States.Array": lambda *values: list(values),
    "States.ArrayPartition": array_partition,
    "States.ArrayContains": array_contains,
    "States.ArrayRange": array_range,
    "States.ArrayGetItem": array_get_item,
    "States.ArrayLength": array_length,
    "States.ArrayUnique": array_unique,
    "States.Base64Encode": base64_encode,
    "States.Base64Decode": base64_decode,
    "States.Hash": hash_of,
    "States.JsonMerge": json_merge,
    "States.MathAdd": math_add,
    "States.MathRandom": math_random,
    "States.StringSplit": string_split,
    "States.UUID": make_uuid,
}

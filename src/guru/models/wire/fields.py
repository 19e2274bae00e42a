"""Reading single fields out of a request's JSON, with errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from guru.errors import BadRequest, InvalidParameter

JSON = dict[str, Any]

Temperature = Annotated[float, Meta(ge=0, le=2)]
Share = Annotated[float, Meta(ge=0, le=1)]
Typical = Annotated[float, Meta(gt=0, le=1)]
TopK = Annotated[int, Meta(ge=0)]
Repeat = Annotated[float, Meta(gt=0)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Bias = dict[Annotated[str, Meta(pattern=r"^\d+$")], Annotated[float, Meta(ge=-100, le=100)]]
Tokens = Annotated[int, Meta(ge=1)]
Choices = Annotated[int, Meta(ge=1, le=128)]

SAMPLING: Final[dict[str, Any]] = {
    "temperature": Temperature,
    "top_p": Share,
    "top_k": TopK,
    "min_p": Share,
    "typical_p": Typical,
    "repeat_penalty": Repeat,
    "presence_penalty": Penalty,
    "frequency_penalty": Penalty,
    "logit_bias": Bias,
    "max_tokens": Tokens,
    "seed": int,
    "n": Choices,
    "user": str,
}
"""Type and range of the sampling fields that chat and text completion share."""

COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""How gzip and zstd begin."""
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for what is no JSON, or is nested beyond what can be read."""

NonEmpty = Annotated[str, Meta(min_length=1)]


class StreamOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How the caller wants the answer."""

    stream: bool = False
    include_usage: bool = False
    """Whether a stream ends with a chunk that carries the usage."""


def decode_object(body: bytes) -> JSON:
    """The JSON object in `body`. Raises `BadRequest`."""
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON as error:
        raise not_json(body, error) from None
    if not isinstance(value, dict):
        raise BadRequest("The body is not a JSON object.", hint="Send a JSON object.")
    return value


def not_json(body: bytes, error: Exception) -> BadRequest:
    """What is wrong with a body that cannot be decoded."""
    if not body.strip():
        return BadRequest("The body is empty.", hint="Send a JSON object.")
    if body.startswith(COMPRESSED):
        return BadRequest("The body is compressed.", hint="Send it as plain JSON, without `content-encoding`.")
    if isinstance(error, RecursionError):
        return BadRequest("The body is nested too deeply.", hint="Send fewer lists and objects in each other.")
    return BadRequest(f"The body is not valid JSON: {error}.", hint="Send a JSON object.")


def take(raw: JSON, name: str, kind: Any, default: Any = None) -> Any:
    """Remove `name` from `raw` and convert it to `kind`; `default` where it is missing or null."""
    value = raw.pop(name, None)
    return default if value is None else convert(value, kind, name)


def require(raw: JSON, name: str, kind: Any) -> Any:
    if raw.get(name) is None:
        raise InvalidParameter(f"`{name}` is missing.", param=name, hint=f"Send `{name}`.")
    return take(raw, name, kind)


def convert(value: Any, kind: Any, name: str) -> Any:
    """`value` as `kind`, losing nothing. Raises `InvalidParameter` with the exact place, as `messages[0].role`."""
    try:
        converted = msgspec.convert(value, kind)
    except RecursionError:
        raise InvalidParameter(f"`{name}` is nested too deeply.", param=name, hint="Send less deep values.") from None
    except msgspec.ValidationError as error:
        reason = str(error).partition(" - at `")[0]
        path = re.search(r"`\$([^`]*)`$", str(error))
        param = name + (path[1] if path else "")
        if unknown := re.match(r"Object contains unknown field `([^`]*)`", reason):
            param = f"{param}.{unknown[1]}"
            raise InvalidParameter(f"`{param}` is unknown.", param=param, hint="Leave it out.") from None
        raise InvalidParameter(f"`{param}`: {reason[0].lower()}{reason[1:]}.", param=param) from None
    for lost in _lost(value, msgspec.to_builtins(converted), name):
        raise InvalidParameter(f"`{lost}` is unknown.", param=lost, hint="Leave it out.")
    return converted


def take_sampling(raw: JSON) -> JSON:
    """The fields of `guru.types.Sampling` except `logprobs`, `top_logprobs` and `extra`, removed from `raw`."""
    sampling = {name: take(raw, name, kind) for name, kind in SAMPLING.items() if raw.get(name) is not None}
    for name in SAMPLING:
        raw.pop(name, None)
    stop = take(raw, "stop", str | list[NonEmpty], [])
    sampling["stop"] = ([stop] if stop else []) if isinstance(stop, str) else stop
    return sampling


def take_stream_options(raw: JSON) -> StreamOptions:
    stream = take(raw, "stream", bool, False)
    options = take(raw, "stream_options", dict[str, Any], {})
    if options and not stream:
        message = "`stream_options` is only allowed when `stream` is true."
        raise InvalidParameter(message, param="stream_options", hint="Leave it out, or set `stream`.")
    include_usage = take(options, "include_usage", bool, False)
    # Padding against traffic analysis is a service of OpenAI's own; nobody misses it in a stream of ours.
    options.pop("include_obfuscation", None)
    for name in options:
        raise InvalidParameter(f"`stream_options.{name}` is unknown.", param=f"stream_options.{name}")
    return StreamOptions(stream, include_usage)


def rest(raw: JSON) -> JSON:
    """The fields that nobody took: those that say something."""
    return {name: value for name, value in raw.items() if value is not None}


def _lost(raw: Any, carried: Any, path: str) -> Iterator[str]:
    """Paths of members of `raw` that are not in `carried`, apart from empty ones."""
    if isinstance(raw, dict) and isinstance(carried, dict):
        for name, value in raw.items():
            if name in carried:
                yield from _lost(value, carried[name], f"{path}.{name}")
            elif value is not None and value not in ("", [], {}):
                yield f"{path}.{name}"
    elif isinstance(raw, list) and isinstance(carried, list):
        for index, (value, kept) in enumerate(zip(raw, carried, strict=False)):
            yield from _lost(value, kept, f"{path}[{index}]")


def logprob_token(text: str, raw: list[int] | None) -> str:
    """A token's text; where it is only a part of a character, its bytes as OpenAI writes them: `bytes:\\xf0\\x9f`."""
    if raw is None or not re.search("\ufffd", text):
        return text
    try:
        return bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)

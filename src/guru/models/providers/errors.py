"""What a provider's error means for us: one table for all of them, by HTTP status and by the provider's own words."""

from __future__ import annotations

import email.utils
import math
import re
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from guru.errors import (
    BadRequest,
    ContextTooLong,
    GuruError,
    ModelError,
    ModelNotFound,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    TooLarge,
    UpstreamRateLimited,
)
from guru.models.wire.fields import NOT_JSON

if TYPE_CHECKING:
    from guru.models.http import Headers

JSON = dict[str, Any]

TOO_LONG: Final = re.compile(
    r"context.?(length|window|size)|maximum context|prompt is too long|too many (input )?tokens|"
    r"input (is too long|length and `max_tokens` exceed)|exceeds? the (maximum|available) (number of tokens|context)|"
    r"reduce the length of|inputs?`? tokens? \+ .*must be <=|Please reduce your prompt",
    re.IGNORECASE,
)
"""How providers say that a prompt does not fit, where they have no code for it."""

WRONG_KEY: Final = re.compile(r"Incorrect(%20| )API(%20| )key(%20| )provided")
"""xAI answers 400 to a wrong key, as if the caller had made a mistake."""
FILTERED: Final = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
BILLING: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
LONGEST: Final = 2000
"""Characters of a provider's message that are passed on."""
LONGEST_WAIT: Final = 30 * 86_400.0
"""Seconds: quotas of a month are the longest that there are. A header that says more, or infinity, is cut to it."""


class ContentFiltered(BadRequest):
    """The provider's filter does not let the prompt through."""

    code = "content_filter"


def error_for(
    provider: str,
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> GuruError:
    """Our error for a provider's. `provider` as the configuration calls it, `code` and `message` in its own words."""
    said = f"{provider}: {message.strip()[:LONGEST] or f'status {status}'}"
    if code in FILTERED:
        return ContentFiltered(said, param=param, hint="Change the prompt, or the filter at the provider.")
    if status in (400, 413, 422) and (code == "context_length_exceeded" or TOO_LONG.search(message)):
        return ContextTooLong(said, param=param, hint="Send less, or use a model with a larger context.")
    if status in (401, 403) or (status == 400 and WRONG_KEY.search(message)):
        hint = f"Check api_key and what it may do, under [providers.{provider}]."
        return ProviderRefused(said, hint=hint)
    if code in BILLING or status in (402, 412):
        return ProviderRefused(said, hint=f"Pay {provider}, or use another provider.")
    if status == 404 or code == "invalid_model":
        return ModelNotFound(
            said, param="model", hint=f"Check the model's name, and base_url of [providers.{provider}]."
        )
    if status == 413:
        return TooLarge(said, hint="Send less.")
    if status in (408, 504):
        return ModelTimeout(said, hint="Try again.", retry_after=retry_after)
    if status == 429:
        return UpstreamRateLimited(said, hint="Try again later, or add a deployment.", retry_after=retry_after)
    if status >= 500 or status in (409, 424, 425):
        return ModelUnavailable(said, hint="Try again.", retry_after=retry_after)
    if status >= 400:
        return BadRequest(
            said, param=param, hint=f"See the provider's documentation{' of this parameter' if param else ''}."
        )
    return ModelError(said, hint=f"Check base_url under [providers.{provider}].")


def error_of_body(provider: str, status: int, body: bytes, retry_after: float | None = None) -> GuruError:
    """The error in a body as OpenAI and most others write it: `{"error": {"message", "type", "param", "code"}}`."""
    try:
        raw = msgspec.json.decode(body)
    except NOT_JSON:
        return error_for(provider, status, _plain(body), retry_after=retry_after)
    return error_of_json(provider, status, raw, retry_after)


def error_of_json(provider: str, status: int, raw: Any, retry_after: float | None = None) -> GuruError:
    """The same for what is decoded already; understands the variants of the providers that follow OpenAI."""
    error = raw[0] if isinstance(raw, list) and raw else raw
    if isinstance(error, dict) and isinstance(error.get("error"), dict | str):
        error = (
            {**error, **error["error"]} if isinstance(error["error"], dict) else {**error, "message": error["error"]}
        )
    if not isinstance(error, dict):
        return error_for(provider, status, str(error), retry_after=retry_after)
    message = error.get("message") or error.get("detail") or error.get("msg") or error.get("error_message")
    if not isinstance(message, str):  # FastAPI and Mistral list what is wrong with each field
        message = msgspec.json.encode(message if message is not None else error).decode()
    details = error.get("innererror")
    inner = details.get("code") if isinstance(details, dict) else None
    words = (error.get("code"), inner, error.get("type"))
    # Mistral's codes are numbers, written as text.
    code = next((word for word in words if isinstance(word, str) and word and not word.isdecimal()), None)
    metadata = error.get("metadata")
    if isinstance(metadata, dict) and isinstance(
        metadata.get("raw"), str
    ):  # OpenRouter: what the provider behind it said
        message = f"{message} ({metadata['raw']})"
    param = error.get("param")
    return error_for(
        provider, status, message, code=code, param=param if isinstance(param, str) else None, retry_after=retry_after
    )


def retry_after(headers: Headers) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date)."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return within(float(milliseconds) / 1000)
        if (value := headers.get("retry-after")) is None:
            return None
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
            return within(float(value))
        return within(email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def within(seconds: float) -> float | None:
    """A wait as it can be told on; what is no number says nothing."""
    return None if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_WAIT)


def _plain(body: bytes) -> str:
    """A body that is no JSON, as a message: pages of HTML are not shown."""
    text = body[: LONGEST * 2].decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text

"""How an error is told to a model: what is wrong, without a stack and without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

MAX: Final = 500
HIDDEN: Final = "[hidden]"
_SECRET_NAMES = re.compile(r"key|token|secret|passw|credential|auth|dsn|database_url", re.IGNORECASE)
_MIN_SECRET: Final = 6
_PATTERNS: Final = (
    re.compile(r"(?<=://)[^\s/@]+(?=@)"),  # the user and password of an address
    re.compile(r"(?<=bearer )\S+|(?<=basic )[A-Za-z0-9+/=]{8,}", re.IGNORECASE),
    re.compile(
        r"""(?P<name>\b[\w-]*(?:key|token|secret|passw(?:or)?d|pwd|signature|credentials?)\b["']?\s*[=:]\s*)"""
        r"""(?:"[^"]*"|'[^']*'|[^\s,;&"']+)""",
        re.IGNORECASE,
    ),
    re.compile(r"\b(?:sk|pk|rk|xox[a-z]|gh[opsu]|github_pat|AKIA|AIza|eyJ)[-_A-Za-z0-9.]{16,}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
)


def told(error: BaseException) -> str:
    """The kind of error, and its message on one line of at most 500 characters."""
    kind = type(error).__name__
    try:
        message = " ".join(hide_secrets(str(error)).split())
    except Exception:  # an error that cannot even be printed
        message = ""
    if len(message) > MAX:
        message = f"{message[:MAX]}..."
    return f"{kind}: {message}" if message else f"{kind}."


def hide_secrets(text: str, environ: Mapping[str, str] | None = None) -> str:
    """`text` without what looks like a secret, and without the secrets of this process's environment."""
    environ = os.environ if environ is None else environ
    for name, value in environ.items():
        if len(value) >= _MIN_SECRET and value in text and _SECRET_NAMES.search(name):
            text = text.replace(value, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda found: f"{found.groupdict().get('name') or ''}{HIDDEN}", text)
    return text

"""What a model wrote as the arguments of a tool, held against the tool's JSON Schema."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from guru.errors import ConfigurationError, InvalidParameter

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

MAX_TEXT: Final = 1 << 20
MAX_PROBLEMS: Final = 5
MAX_MESSAGE: Final = 300
log = logging.getLogger(__name__)


class Arguments:
    """The arguments of one tool. Its schema is compiled when it is first called."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._validator: Validator | None = None

    def check(self, arguments: str | dict[str, Any]) -> dict[str, Any]:
        """The arguments as the tool takes them.

        Raises `InvalidParameter`, which says how to mend them, and `ConfigurationError` for a schema that is none.
        """
        values = self._read(arguments) if isinstance(arguments, str) else arguments
        errors = self._errors(values)
        if errors and not self._errors(mended := decoded(values, errors)):
            return mended
        if errors:
            raise InvalidParameter(
                f"The arguments are not right: {'; '.join(self._told(error) for error in errors)}.",
                hint="Call the tool again with arguments that hold to its schema.",
            )
        return values

    def _errors(self, values: dict[str, Any]) -> list[ValidationError]:
        """What is wrong, at most `MAX_PROBLEMS` of it."""
        validator = self._compiled()
        try:
            return [error for error, _ in zip(validator.iter_errors(values), range(MAX_PROBLEMS), strict=False)]
        except (RecursionError, ValueError, TypeError) as error:
            raise InvalidParameter(
                f"The arguments cannot be checked ({type(error).__name__}).", hint="Write simpler ones."
            ) from None

    def _read(self, text: str) -> dict[str, Any]:
        if not text.strip():  # what many a model writes for a tool without parameters
            return {}
        if len(text) > MAX_TEXT:
            raise InvalidParameter(
                f"The arguments are longer than {MAX_TEXT:,} characters.", hint="Write shorter ones."
            )
        try:
            values = msgspec.json.decode(text)
            if isinstance(values, str):  # some models write JSON within JSON
                values = msgspec.json.decode(values)
        except (msgspec.DecodeError, RecursionError, UnicodeError, ValueError) as error:
            raise InvalidParameter(
                f"The arguments are not JSON: {error}.", hint=f"Write one object, {self._example()}."
            ) from None
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise InvalidParameter("The arguments are not a JSON object.", hint=f"Write {self._example()}.")
        return values

    def _compiled(self) -> Validator:
        if self._validator is None:
            import jsonschema_rs

            try:  # offline: a schema of somebody else's must not have this server fetch things
                self._validator = jsonschema_rs.validator_for(self._schema, offline=True)
            except Exception as error:
                log.warning("The schema of a tool cannot be used: %s", error)
                raise ConfigurationError(
                    "The tool cannot be called: its own schema is not valid.", hint="Do without it."
                ) from error
        return self._validator

    def _example(self) -> str:
        names = list(self._schema.get("required") or self._schema.get("properties") or ())
        return "such as {" + ", ".join(f'"{name}": ...' for name in names[:5]) + "}"

    def _told(self, error: ValidationError) -> str:
        """One thing that is wrong: where, and what would be right."""
        place = ".".join(str(step) for step in error.instance_path)
        message = error.message if len(error.message) <= MAX_MESSAGE else f"{error.message[:MAX_MESSAGE]}..."
        kind = error.kind.as_dict()
        if not place and (unexpected := kind.get("unexpected")):
            message += self._nearest(unexpected)
        if alternatives := kind.get("context"):
            message = (
                " or ".join(dict.fromkeys(inner.message for branch in alternatives for inner in branch)) or message
            )
        return f"`{place}`: {message}" if place else message

    def _nearest(self, names: Iterable[str]) -> str:
        known = list(self._schema.get("properties") or ())
        near = [found[0] for name in names if (found := difflib.get_close_matches(name, known, n=1))]
        if near:
            return f", did you mean {', '.join(map(repr, near))}?"
        return f"; there are {', '.join(known)}" if known else "; there are none"


def decoded(values: dict[str, Any], errors: list[ValidationError]) -> dict[str, Any]:
    """The arguments, with those texts read as JSON that should be no texts: small models write `"3"` for `3`."""
    mended = dict(values)
    for error in errors:
        name = error.instance_path[0] if len(error.instance_path) == 1 else None
        if isinstance(text := mended.get(str(name)), str):
            try:
                mended[str(name)] = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError, UnicodeError, ValueError):
                continue
    return mended

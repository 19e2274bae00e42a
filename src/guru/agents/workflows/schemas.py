"""Values held against a JSON Schema: what a run is given, and what a person fills in."""

from __future__ import annotations

from typing import Any, Final

MAX_PROBLEMS: Final = 5
MAX_MESSAGE: Final = 300


def problem_of_schema(schema: dict[str, Any]) -> str | None:
    """Why it is no JSON Schema, or None."""
    import jsonschema_rs

    try:  # offline: a schema of somebody else's must not have this server fetch things
        jsonschema_rs.validator_for(schema, offline=True)
    except Exception as error:
        return f"It is no JSON Schema: {str(error)[:MAX_MESSAGE]}"
    return None


def problems_of(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with a value, each with its place."""
    import jsonschema_rs

    try:
        errors = jsonschema_rs.validator_for(schema, offline=True).iter_errors(value)
        found = []
        for error, _ in zip(errors, range(MAX_PROBLEMS), strict=False):
            place = ".".join(str(part) for part in error.instance_path)
            message = error.message[:MAX_MESSAGE]
            found.append(f"`{place}`: {message}" if place else message)
        return found
    except (RecursionError, ValueError, TypeError) as error:
        return [f"It cannot be checked ({type(error).__name__})."]

"""What goes wrong in a run, by the names that Amazon States Language has for it: `retry` and `catch` name it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from guru.errors import GuruError

ALL: Final = "States.ALL"
TASK_FAILED: Final = "States.TaskFailed"
TIMEOUT: Final = "States.Timeout"
RUNTIME: Final = "States.Runtime"
DATA_LIMIT: Final = "States.DataLimitExceeded"
NO_CHOICE: Final = "States.NoChoiceMatched"
PARAMETER_PATH: Final = "States.ParameterPathFailure"
RESULT_PATH: Final = "States.ResultPathMatchFailure"
INTRINSIC: Final = "States.IntrinsicFailure"
TOO_MANY_FAILED: Final = "States.ExceedToleratedFailureThreshold"
MAX_NAME: Final = 200
MAX_CAUSE: Final = 4000
REJECTED: Final = "Rejected"
"""A person said no."""
UNCATCHABLE: Final = (RUNTIME, DATA_LIMIT)
"""What `States.ALL` does not mean: nothing gets better by trying again. Named outright, they are caught."""


class StepFailed(Exception):
    """A step failed with an error that has a name."""

    def __init__(self, error: str, cause: str = "") -> None:
        self.error = storable(error)[:MAX_NAME]
        self.cause = storable(cause)[:MAX_CAUSE]
        super().__init__(f"{self.error}: {self.cause}" if self.cause else self.error)


class RunEnded(Exception):
    """The run as a whole has failed: no step catches that."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(cause)
        self.error = error
        self.cause = cause


def storable(text: str) -> str:
    """Text that every database takes: without NUL and halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def failure_of(error: Exception) -> StepFailed:
    """What an exception of a task is called: the name of its class, such as `RateLimited`."""
    if isinstance(error, StepFailed):
        return error
    if isinstance(error, TimeoutError):
        return StepFailed(TIMEOUT, "The step took longer than it may.")
    return StepFailed(type(error).__name__, str(error) if isinstance(error, GuruError) else f"{error}")


def matches(names: Sequence[str], error: str) -> bool:
    """Whether an error is one of those named, as in Amazon States Language, "Errors"."""
    if error in names:
        return True
    if error in UNCATCHABLE:
        return False
    return ALL in names or (TASK_FAILED in names and error != TIMEOUT)

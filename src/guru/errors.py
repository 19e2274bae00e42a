"""Every error that Guru raises on purpose, in one tree.

    GuruError
    ├── BadRequest                    400  the caller can mend it
    │   ├── InvalidParameter               one named parameter is wrong
    │   ├── ContextTooLong                 the prompt does not fit the model
    │   └── UnreadableDocument        422  a file that cannot be parsed
    ├── Unauthorized                  401
    ├── Forbidden                     403
    ├── NotFound                      404  a model, collection, document, job or trace
    ├── Conflict                      409  exists already, or is in use
    ├── TooLarge                      413
    ├── RateLimited                   429  a limit of ours
    │   └── BudgetExceeded                 the money of this day or month is spent
    ├── ConfigurationError            500  guru.toml, environment or flags are wrong
    ├── StoreError                    500  the database refuses
    ├── ModelError                    502  a model answered with an error
    │   ├── ModelUnavailable          503  not loaded, crashed, overloaded, unreachable: try again
    │   ├── UpstreamRateLimited       429  the provider's limit, not ours
    │   ├── ProviderRefused           502  the provider does not take our credentials
    │   ├── StreamCut                 502  the answer ended in the middle, or is garbage
    │   └── ModelTimeout              504
    └── DownloadError                 502  a model file could not be fetched or verified

Doors translate these to the shape of the API that was called: the class carries all that they need.
"""

from __future__ import annotations

from typing import ClassVar

UNSENT = "It had not been sent."
"""Noted on the cancellation of a call that waited for a connection: the provider has not seen it, and bills nothing."""


class GuruError(Exception):
    """The root. `message` says what is wrong, `hint` what to do about it."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None
    retryable: ClassVar[bool] = False

    retry_after: float | None = None
    """Seconds after which trying again makes sense, where that is known."""

    def __init__(
        self, message: str, *, hint: str | None = None, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.headers: dict[str, str] = {}
        """More headers for the answer, such as the state of a limit."""
        self.message = message
        self.hint = hint
        self.param = param

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class BadRequest(GuruError):
    status = 400
    type = "invalid_request_error"


class InvalidParameter(BadRequest):
    """One parameter of the request is wrong; `param` names it."""

    code = "invalid_parameter"


class ContextTooLong(BadRequest):
    code = "context_length_exceeded"


class UnreadableDocument(BadRequest):
    """A file that is broken, encrypted, empty, too large, or not what its name says."""

    status = 422
    code = "unreadable_document"


class Unauthorized(GuruError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class Forbidden(GuruError):
    status = 403
    type = "permission_error"
    code = "forbidden"


class NotFound(GuruError):
    status = 404
    type = "invalid_request_error"
    code = "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class Conflict(GuruError):
    status = 409
    type = "invalid_request_error"
    code = "conflict"


class TooLarge(GuruError):
    status = 413
    type = "invalid_request_error"
    code = "too_large"


class RateLimited(GuruError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    retryable = True


class BudgetExceeded(RateLimited):
    """`code` is OpenAI's word for it, which their clients show."""

    code = "insufficient_quota"
    retryable = False


class ConfigurationError(GuruError):
    code = "configuration_error"


class StoreError(GuruError):
    code = "store_error"


class ModelError(GuruError):
    status = 502
    type = "upstream_error"
    code = "model_error"


class ModelUnavailable(ModelError):
    """The model is not loaded, has crashed or is restarting. Nothing was lost: the request can be sent again."""

    status = 503
    type = "server_error"
    code = "model_unavailable"
    retryable = True


class UpstreamRateLimited(ModelError):
    """The provider wants fewer requests; `retry_after` says from when on, if the provider does."""

    status = 429
    type = "rate_limit_error"
    code = "upstream_rate_limited"
    retryable = True


class ProviderRefused(ModelError):
    """The provider does not take the credentials that this server has for it. The caller cannot mend that."""

    code = "provider_refused"


class StreamCut(ModelError):
    """The provider's answer ended in the middle or cannot be read."""

    code = "stream_cut"
    retryable = True


class ModelTimeout(ModelError):
    status = 504
    code = "model_timeout"
    retryable = True


class DownloadError(GuruError):
    status = 502
    code = "download_failed"
    retryable = True

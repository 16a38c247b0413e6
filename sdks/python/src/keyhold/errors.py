"""What can go wrong. No error holds a value of a secret or a credential."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Tuple


class KeyholdError(Exception):
    """Everything this package raises."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: Optional[int] = None,
        trace_id: Optional[str] = None,
        retry_after_seconds: Optional[float] = None,
        errors: Sequence[Tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        #: Stable name of the error, such as ``secret.not_found``. Each of the server's has a page in docs/errors.
        self.code = code
        #: HTTP status, when something answered.
        self.status = status
        #: Names the request in the server's log.
        self.trace_id = trace_id
        self.retry_after_seconds = retry_after_seconds
        #: Fields that are invalid, and why.
        self.errors = tuple(errors)


class ConfigurationInvalid(KeyholdError):
    """The client was set up wrongly; no request was made."""

    def __init__(self, message: str) -> None:
        super().__init__("configuration.invalid", message)


class Unreachable(KeyholdError):
    """No connection, a broken one, no answer in time, or something else than Keyhold answered."""


class NotSignedIn(KeyholdError):
    """The credential is wrong, expired, deleted or inactive (401)."""


class Refused(KeyholdError):
    """The credential may not do this (403)."""


class InvalidRequest(KeyholdError):
    """Something that was given is not valid; ``errors`` has the fields (400)."""


class Conflict(KeyholdError):
    """It is not as it was expected: it exists already, or was changed meanwhile (409)."""


class SecretNotFound(KeyholdError):
    """The secret is neither in the environment nor in All."""

    def __init__(
        self, name: str, *, reasons: Sequence[str] = (), near_matches: Sequence[str] = (), **facts: Any
    ) -> None:
        super().__init__("secret.not_found", name + " not found", **facts)
        self.name = name
        #: Why that may be, most likely first.
        self.reasons = tuple(reasons)
        #: Names that exist and look alike.
        self.near_matches = tuple(near_matches)


class NotText(KeyholdError):
    """The value holds bytes that are not UTF-8 text; read it as bytes."""

    def __init__(self, name: str) -> None:
        super().__init__("integrity.not_text", name + " holds bytes that are not text")


_BY_STATUS = {400: InvalidRequest, 401: NotSignedIn, 403: Refused, 409: Conflict}


def error_of(
    status: int, problem: Mapping[str, Any], retry_after_seconds: Optional[float], secret_name: Optional[str]
) -> KeyholdError:
    """Makes the error of an answer that is one of Keyhold's (RFC 9457)."""

    def text(field: str) -> Optional[str]:
        value = problem.get(field)
        return value if isinstance(value, str) else None

    def texts(field: str) -> Tuple[str, ...]:
        value = problem.get(field)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()

    fields = problem.get("errors")
    facts: "dict[str, Any]" = {
        "status": status,
        "trace_id": text("traceId"),
        "retry_after_seconds": retry_after_seconds,
        "errors": [
            (str(one.get("field")), str(one.get("message")))
            for one in (fields if isinstance(fields, list) else [])
            if isinstance(one, dict)
        ],
    }
    code = text("code") or "server.error"
    if code == "secret.not_found" and secret_name is not None:
        return SecretNotFound(secret_name, reasons=texts("reasons"), near_matches=texts("nearMatches"), **facts)
    title, detail = text("title") or "Keyhold answered " + str(status), text("detail")
    message = title if detail is None else title + ": " + detail
    return _BY_STATUS.get(status, KeyholdError)(code, message, **facts)

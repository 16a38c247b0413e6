"""Requests over http.client: no redirect is followed, and the credential goes to one address."""

from __future__ import annotations

import http.client
import ipaddress
import json
import random
import socket
import ssl
import time
from typing import Any, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlencode, urlsplit

from .errors import ConfigurationInvalid, KeyholdError, Unreachable, error_of

#: Attempts of one read, the first included.
_ATTEMPTS = 4
_FIRST_WAIT_SECONDS = 0.1
_WAIT_SECONDS_MAX = 2.0
#: Answers that say "not now".
_PASSING = (429, 502, 503, 504)
_ANSWER_BYTES_MAX = 256 * 1024 * 1024
#: The server sends something every 15 seconds.
_SILENCE_SECONDS = 45.0
_LINE_BYTES_MAX = 64 * 1024


class Transport:
    """Calls routes of one Keyhold server."""

    def __init__(self, url: str, timeout: float, context: Optional[ssl.SSLContext], user_agent: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ConfigurationInvalid("the URL is not an address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationInvalid("the URL is not an address; it begins with https://")
        if parts.username is not None or parts.password is not None:
            raise ConfigurationInvalid("the URL must not have a user or password in it")
        if parts.scheme == "http" and not _is_this_machine(parts.hostname):
            raise ConfigurationInvalid("a credential is not sent over plain http, except to this machine")
        if not 0 < timeout <= 3600:
            raise ConfigurationInvalid("timeout is not between 0 and 3600 seconds")
        self._host, self._port = parts.hostname, port
        self._base = parts.path.rstrip("/")
        self._timeout = timeout
        self._user_agent = user_agent
        self._context: Optional[ssl.SSLContext] = None
        if parts.scheme == "https":
            self._context = context or ssl.create_default_context()
        #: As it may be shown.
        self.shown = parts.scheme + "://" + parts.hostname + ("" if port is None else ":" + str(port)) + self._base

    def call(
        self,
        method: str,
        path: str,
        *,
        authorization: Optional[str],
        query: Mapping[str, Optional[str]] = {},
        body: Any = None,
        secret_name: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Any:
        """Makes a request; only reads are repeated. Raises KeyholdError."""
        ends_at = time.monotonic() + (self._timeout if timeout is None else timeout)
        given = {name: value for name, value in query.items() if value is not None}
        target = self._base + path + ("?" + urlencode(given, quote_via=quote) if given else "")
        headers = {"accept": "application/json", "user-agent": self._user_agent}
        if authorization is not None:
            headers["authorization"] = authorization
        content = None
        if body is not None:
            content = json.dumps(body).encode("utf-8")
            headers["content-type"] = "application/json"
        attempt = 0
        while True:
            attempt += 1
            error = None  # type: Optional[KeyholdError]
            try:
                status, response_headers, answer = self._once(method, target, headers, content, ends_at)
                if 200 <= status < 300:
                    return _parsed(answer) if answer else None
                error = _refusal(status, response_headers, answer, secret_name)
            except Unreachable as unreachable:
                error = unreachable
            may_repeat = method == "GET" and attempt < _ATTEMPTS
            if not may_repeat or not (isinstance(error, Unreachable) or error.status in _PASSING):
                raise error
            wait = (error.retry_after_seconds or 0) + random.random() * min(
                _WAIT_SECONDS_MAX, _FIRST_WAIT_SECONDS * 2 ** (attempt - 1)
            )
            # Waiting only to fail with the timeout would hide what was said.
            if time.monotonic() + wait >= ends_at:
                raise error
            time.sleep(wait)

    def events(self, path: str, *, authorization: str, query: Mapping[str, Optional[str]]) -> Iterator[str]:
        """Yields the data of server-sent events (HTML standard, 9.2) until the stream ends. Raises KeyholdError."""
        given = {name: value for name, value in query.items() if value is not None}
        target = self._base + path + ("?" + urlencode(given, quote_via=quote) if given else "")
        headers = {"accept": "text/event-stream", "user-agent": self._user_agent, "authorization": authorization}
        connection = self._connection(_SILENCE_SECONDS)
        try:
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                raise _refusal(response.status, dict(response.getheaders()), response.read(_LINE_BYTES_MAX), None)
            if not (response.getheader("content-type") or "").startswith("text/event-stream"):
                raise Unreachable("integrity.answer", "what answered is not Keyhold; check the URL")
            data: List[str] = []
            while True:
                line = response.readline(_LINE_BYTES_MAX)
                if not line:
                    return
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                if text.startswith("data:"):
                    data.append(text[5:][1:] if text[5:6] == " " else text[5:])
                elif text == "" and data:
                    yield "\n".join(data)
                    data = []
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(error) from None
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)

    def _once(
        self, method: str, target: str, headers: Mapping[str, str], content: Optional[bytes], ends_at: float
    ) -> Tuple[int, Mapping[str, str], bytes]:
        connection: Optional[http.client.HTTPConnection] = None
        try:
            connection = self._connection(_left(ends_at))
            connection.request(method, target, body=content, headers=dict(headers))
            # Kept: the connection lets go of it where the answer ends with the connection.
            channel = connection.sock
            response = connection.getresponse()
            parts, length = [], 0
            while True:
                channel.settimeout(_left(ends_at))
                part = response.read1(65536)
                if not part:
                    break
                length += len(part)
                if length > _ANSWER_BYTES_MAX:
                    raise Unreachable("integrity.answer", "the answer is larger than any of Keyhold's")
                parts.append(part)
            return response.status, dict(response.getheaders()), b"".join(parts)
        except (TimeoutError, socket.timeout):
            raise Unreachable("network.deadline", "Keyhold did not answer in time") from None
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(error) from None
        finally:
            if connection is not None:
                connection.close()


def _unreachable(error: Exception) -> Unreachable:
    # Its kind only: messages quote what was sent.
    kind = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return Unreachable("network.unreachable", "Keyhold cannot be reached (" + kind + ")")


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parsed(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        # From None: the error has the answer in it.
        raise Unreachable("integrity.answer", "what answered is not Keyhold; check the URL") from None


def _refusal(
    status: int, headers: Mapping[str, str], answer: bytes, secret_name: Optional[str]
) -> KeyholdError:
    if 300 <= status < 400:
        return Unreachable(
            "network.redirected",
            "the address redirects, which is not followed; set the URL to where Keyhold is",
            status=status,
        )
    after = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    retry_after = float(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
    try:
        problem = json.loads(answer)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        return Unreachable(
            "network.unreachable",
            "only a gateway answered, with status " + str(status),
            status=status,
            retry_after_seconds=retry_after,
        )
    return error_of(status, problem, retry_after, secret_name)

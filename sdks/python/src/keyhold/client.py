"""The client of one project."""

from __future__ import annotations

import os
import random
import ssl
import time
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Union, overload
from urllib.parse import quote

from .credential import AccessKey, WorkloadIdentity, setting
from .errors import Conflict, ConfigurationInvalid, KeyholdError, SecretNotFound, Unreachable
from .secret import Secret
from .transport import Transport
from .uses import UseReporter

_SECRETS = "/api/v1/projects/current/secrets"
#: Between two streams of changes.
_AGAIN_SECONDS = 0.5
_AGAIN_SECONDS_MAX = 30.0


class Keyhold:
    """A client for a machine with a project access key, or with a workload identity.

    ``environment`` is asked for when a call names none (default: All). ``timeout`` is in seconds, for a whole call with its
    repetitions. With ``report_uses=False`` the audit log gets no lines of where values were read.
    """

    def __init__(
        self,
        url: str,
        access_key_id: Optional[str] = None,
        access_key: Optional[str] = None,
        *,
        environment: Optional[str] = None,
        timeout: float = 10.0,
        ssl_context: Optional[ssl.SSLContext] = None,
        report_uses: bool = True,
        user_agent: str = "keyhold-python/0.1.0",
        _credential: Union[AccessKey, WorkloadIdentity, None] = None,
    ) -> None:
        self._transport = Transport(url, timeout, ssl_context, user_agent)
        if _credential is None:
            if not access_key_id or not access_key:
                raise ConfigurationInvalid("an access key has two parts: access_key_id and access_key")
            _credential = AccessKey(access_key_id, access_key)
        self.__credential = _credential
        #: Environment that is asked for when a call names none.
        self.environment = environment
        self._uses = UseReporter(self._report) if report_uses else None

    @classmethod
    def from_env(cls, variables: Optional[Mapping[str, str]] = None, **options: Any) -> "Keyhold":
        """Makes a client from ``KEYHOLD_URL``, ``KEYHOLD_ACCESS_KEY_ID`` and ``KEYHOLD_ACCESS_KEY``, or
        ``KEYHOLD_WORKLOAD_IDENTITY``, and ``KEYHOLD_ENVIRONMENT``, each also as the name of a file in ``<NAME>_FILE``.

        Raises ConfigurationInvalid, which names variables and never what is in them.
        """
        given: Mapping[str, str] = os.environ if variables is None else variables
        url = setting(given, "KEYHOLD_URL")
        if url is None:
            raise ConfigurationInvalid("KEYHOLD_URL is not set")
        options.setdefault("environment", setting(given, "KEYHOLD_ENVIRONMENT"))
        key_id, key = setting(given, "KEYHOLD_ACCESS_KEY_ID"), setting(given, "KEYHOLD_ACCESS_KEY")
        identity = given.get("KEYHOLD_WORKLOAD_IDENTITY")
        if key_id is None and key is None and identity:
            audience = given.get("KEYHOLD_AUDIENCE") or url.rstrip("/")
            return cls(url, _credential=WorkloadIdentity(identity, given, audience), **options)
        if key_id is None or key is None:
            missing = "KEYHOLD_ACCESS_KEY_ID" if key_id is None else "KEYHOLD_ACCESS_KEY"
            raise ConfigurationInvalid(missing + " is not set; a machine has an access key or a workload identity")
        return cls(url, key_id, key, **options)

    @overload
    def get(self, name: str, *, environment: Optional[str] = ...) -> str: ...
    @overload
    def get(self, name: str, *, environment: Optional[str] = ..., default: str) -> str: ...
    @overload
    def get(self, name: str, *, environment: Optional[str] = ..., default: None) -> Optional[str]: ...

    def get(self, name: str, *, environment: Optional[str] = None, default: Any = ...) -> Optional[str]:
        """Reads one value, from the environment or else from All.

        ``default`` is returned when the secret does not exist, and on no other failure. Raises SecretNotFound and other
        KeyholdErrors.
        """
        try:
            return self._read(name, environment).text()
        except SecretNotFound:
            if default is ...:
                raise
            return default  # type: ignore[no-any-return]

    def get_bytes(self, name: str, *, environment: Optional[str] = None) -> bytes:
        """Reads one value as bytes."""
        return self._read(name, environment).bytes()

    def all(
        self,
        *,
        environment: Optional[str] = None,
        on_unresolved: Optional[Callable[[Dict[str, str]], None]] = None,
    ) -> Dict[str, Secret]:
        """Reads all secrets of the environment, with those it takes from All, by name.

        One that refers to a secret that is not there is left out, and ``on_unresolved`` is told.
        """
        answer = self._call("GET", _SECRETS, query={"environment": environment or self.environment})
        if not isinstance(answer, dict) or not isinstance(answer.get("secrets"), list):
            raise KeyholdError("integrity.answer", "the server answered something that is not secrets")
        secrets = {secret.name: secret for secret in map(Secret, answer["secrets"])}
        for one in answer.get("unresolved") or []:
            if on_unresolved is not None:
                on_unresolved(one)
        return secrets

    def set(
        self,
        name: str,
        value: Union[str, bytes],
        *,
        environment: Optional[str] = None,
        type: Optional[str] = None,
        description: Optional[str] = None,
        expected_version: Optional[int] = None,
    ) -> Dict[str, Any]:
        """Gives a secret a new value, or creates it; needs Read & Write. An equal value changes nothing.

        Nothing is sent twice: when the answer is lost, read before you write again. With ``expected_version`` it raises
        Conflict unless that is the current one, and creates nothing.
        """
        change: Dict[str, Any] = {"type": type, "description": description}
        try:
            return self.update(name, value, environment=environment, expected_version=expected_version, **change)
        except SecretNotFound:
            if expected_version is not None:
                raise
        try:
            return self.create(name, value, environment=environment, **change)
        except Conflict as error:
            # Somebody else has created it in between.
            if error.code != "secret.exists":
                raise
        return self.update(name, value, environment=environment, **change)

    def create(
        self,
        name: str,
        value: Union[str, bytes],
        *,
        environment: Optional[str] = None,
        type: Optional[str] = None,
        description: Optional[str] = None,
    ) -> Dict[str, Any]:
        """Creates a secret; needs Read & Write. Raises Conflict when there is one of this name."""
        body = {
            "name": name,
            "type": type or "token",
            "description": description,
            "environment": environment or self.environment,
            **_wire(value),
        }
        answer: Dict[str, Any] = self._call("POST", _SECRETS, body=_given(body))
        return answer

    def update(
        self,
        name: str,
        value: Union[str, bytes],
        *,
        environment: Optional[str] = None,
        type: Optional[str] = None,
        description: Optional[str] = None,
        expected_version: Optional[int] = None,
    ) -> Dict[str, Any]:
        """Changes a secret of exactly this environment; needs Read & Write. Raises SecretNotFound, Conflict."""
        body = {
            "type": type,
            "description": description,
            "expectedVersion": expected_version,
            **_wire(value),
        }
        answer: Dict[str, Any] = self._call(
            "PATCH",
            _SECRETS + "/" + _segment(name),
            query={"environment": environment or self.environment},
            body=_given(body),
            secret_name=name,
        )
        return answer

    def watch(self, *, environment: Optional[str] = None) -> Iterator[str]:
        """Yields a version of what the environment delivers, at once and whenever it may have changed. Never ends by itself::

            for _ in keyhold.watch():
                apply(keyhold.all())

        A connection that is lost is made again. Raises KeyholdError when Keyhold says no.
        """
        last: Optional[str] = None
        failures = 0
        while True:
            try:
                for version in self._transport.events(
                    "/api/v1/projects/current/changes",
                    authorization=self.__credential.authorization(self._transport),
                    query={"environment": environment or self.environment},
                ):
                    failures = 0
                    if version != last:
                        last = version
                        yield version
            except KeyholdError as error:
                is_passing = isinstance(error, Unreachable) and error.code == "network.unreachable"
                if not is_passing and (error.status or 0) < 429:
                    raise
            wait = min(_AGAIN_SECONDS_MAX, _AGAIN_SECONDS * 2**failures)
            failures += 1
            time.sleep(wait * (0.5 + random.random() / 2))

    def project(self) -> Dict[str, Any]:
        """Says which project the credential opens, and what it may do there."""
        answer: Dict[str, Any] = self._call("GET", "/api/v1/projects/current")
        return answer

    def __repr__(self) -> str:
        return "Keyhold(url={!r}, credential={!r})".format(self._transport.shown, self.__credential.shown_id)

    def _read(self, name: str, environment: Optional[str]) -> Secret:
        wanted = environment or self.environment
        secret = Secret(
            self._call("GET", _SECRETS + "/" + _segment(name), query={"environment": wanted}, secret_name=name)
        )
        if secret.name != name:
            raise KeyholdError("integrity.answer", "the server answered another secret")
        if self._uses is not None:
            self._uses.note(name, wanted, secret.bytes())
        return secret

    def _call(self, method: str, path: str, **request: Any) -> Any:
        authorization = self.__credential.authorization(self._transport)
        return self._transport.call(method, path, authorization=authorization, **request)

    def _report(self, report: Dict[str, Any], seconds: float) -> int:
        answer = self._call("POST", "/api/v1/projects/current/uses", body=report, timeout=seconds)
        return int(answer["remaining"])


def _wire(value: Union[str, bytes]) -> Dict[str, str]:
    """Values travel as text where they are text, and as base64 where they are not."""
    import base64

    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise KeyholdError("request.invalid", "the value is not well-formed text") from None
        return {"value": value, "encoding": "utf8"}
    try:
        return {"value": bytes(value).decode("utf-8"), "encoding": "utf8"}
    except UnicodeDecodeError:
        return {"value": base64.b64encode(value).decode("ascii"), "encoding": "base64"}


def _given(fields: Dict[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _segment(name: str) -> str:
    """One part of a path; "." and ".." would be another path."""
    if name in ("", ".", ".."):
        raise KeyholdError("request.invalid", "the name is not valid")
    return quote(name, safe="")

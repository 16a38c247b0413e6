"""What a machine shows: an access key, or a token of its platform that Keyhold exchanges for one."""

from __future__ import annotations

import base64
import datetime
import json
import threading
import time
import urllib.request
from typing import Mapping, Optional
from urllib.parse import quote

from .errors import ConfigurationInvalid, NotSignedIn
from .transport import Transport

#: An exchanged key is exchanged anew so long before it ends.
_RENEW_SECONDS = 60.0


def setting(variables: Mapping[str, str], name: str) -> Optional[str]:
    """Reads a variable, or the file that ``<name>_FILE`` names. An empty one counts as not set."""
    value, path = variables.get(name) or None, variables.get(name + "_FILE") or None
    if path is None:
        return value
    if value is not None:
        raise ConfigurationInvalid("both " + name + " and " + name + "_FILE are set; keep one")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ConfigurationInvalid(name + "_FILE: " + path + " cannot be read (" + reason + ")") from None
    text = text[:-1] if text.endswith("\n") else text
    text = text[:-1] if text.endswith("\r") else text
    if not text:
        raise ConfigurationInvalid(name + "_FILE: " + path + " is empty")
    return text


def basic(access_key_id: str, access_key: str) -> str:
    """HTTP Basic (RFC 7617)."""
    return "Basic " + base64.b64encode((access_key_id + ":" + access_key).encode("utf-8")).decode("ascii")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


class AccessKey:
    """An access key, the same all the time."""

    def __init__(self, access_key_id: str, access_key: str) -> None:
        self.shown_id = access_key_id
        self.__authorization = basic(access_key_id, access_key)

    def authorization(self, transport: Transport) -> str:
        return self.__authorization


class WorkloadIdentity:
    """A workload identity: GitHub Actions, GitLab CI, Kubernetes. Its key is made when it is needed, and again when it ends."""

    def __init__(self, workload_identity_id: str, variables: Mapping[str, str], audience: str) -> None:
        self.shown_id = workload_identity_id
        self.__variables = variables
        self.__audience = audience
        self.__lock = threading.Lock()
        self.__authorization: Optional[str] = None
        self.__ends_at = 0.0

    def authorization(self, transport: Transport) -> str:
        with self.__lock:
            if self.__authorization is None or time.time() > self.__ends_at - _RENEW_SECONDS:
                answer = transport.call(
                    "POST",
                    "/api/v1/workload-identity/token",
                    authorization=None,
                    body={"workloadIdentityId": self.shown_id, "subjectToken": self.__token()},
                )
                self.__authorization = basic(answer["accessKeyId"], answer["accessKey"])
                expires = datetime.datetime.strptime(answer["expiresAt"], "%Y-%m-%dT%H:%M:%S.%fZ")
                self.__ends_at = expires.replace(tzinfo=datetime.timezone.utc).timestamp()
            return self.__authorization

    def __token(self) -> str:
        given = setting(self.__variables, "KEYHOLD_ID_TOKEN")
        if given is not None:
            return given.strip()
        url = self.__variables.get("ACTIONS_ID_TOKEN_REQUEST_URL")
        bearer = self.__variables.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
        if not url or not bearer:
            raise ConfigurationInvalid(
                "KEYHOLD_WORKLOAD_IDENTITY is set, but there is no token of a platform: set KEYHOLD_ID_TOKEN or "
                "KEYHOLD_ID_TOKEN_FILE, or give the job of GitHub Actions the permission id-token: write"
            )
        if not url.startswith("https://"):
            raise ConfigurationInvalid("ACTIONS_ID_TOKEN_REQUEST_URL is no https address")
        request = urllib.request.Request(
            url + ("&" if "?" in url else "?") + "audience=" + quote(self.__audience, safe=""),
            headers={"authorization": "Bearer " + bearer},
        )
        try:
            # A redirect would take the token along, so none is followed.
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=10) as response:
                return str(json.load(response)["value"])
        except Exception:
            # From None: it may quote the token.
            raise NotSignedIn("network.unreachable", "GitHub Actions gave no token") from None

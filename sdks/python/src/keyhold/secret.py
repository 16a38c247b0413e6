"""A secret with its value."""

from __future__ import annotations

import base64
from typing import Any

from .errors import KeyholdError, NotText


class Secret:
    """A value that no way of printing shows: ask for it by :meth:`text` or :meth:`bytes`."""

    __slots__ = ("name", "type", "version", "environment", "__value")

    def __init__(self, answer: Any) -> None:
        try:
            self.name: str = answer["name"]
            self.type: str = answer["type"]
            self.version: int = answer["version"]
            #: Where the value is from: the environment that was asked for, or ``All``.
            self.environment: str = answer["environment"]
            value, encoding = answer["value"], answer["encoding"]
            self.__value: bytes = (
                base64.b64decode(value, validate=True) if encoding == "base64" else value.encode("utf-8")
            )
        except Exception:
            # From None: the error would quote the answer.
            raise KeyholdError("integrity.answer", "the server answered something that is not a secret") from None

    def text(self) -> str:
        """The value as text. Raises NotText."""
        try:
            return self.__value.decode("utf-8")
        except UnicodeDecodeError:
            raise NotText(self.name) from None

    def bytes(self) -> "bytes":
        """The value as bytes."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret(name={!r}, type={!r}, version={!r}, environment={!r}, value=[secret])".format(
            self.name, self.type, self.version, self.environment
        )

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")

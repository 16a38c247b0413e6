"""Reads and writes the secrets of a Keyhold project, for machines. Only the standard library is used.

    from keyhold import Keyhold

    keyhold = Keyhold.from_env()
    token = keyhold.get("GITHUB_TOKEN")
"""

from .client import Keyhold
from .errors import (
    ConfigurationInvalid,
    Conflict,
    InvalidRequest,
    KeyholdError,
    NotSignedIn,
    NotText,
    Refused,
    SecretNotFound,
    Unreachable,
)
from .secret import Secret

__all__ = [
    "ConfigurationInvalid",
    "Conflict",
    "InvalidRequest",
    "Keyhold",
    "KeyholdError",
    "NotSignedIn",
    "NotText",
    "Refused",
    "Secret",
    "SecretNotFound",
    "Unreachable",
]
__version__ = "0.1.0"

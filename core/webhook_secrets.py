"""Secrets that webhooks are signed with, after the Standard Webhooks specification.

None is stored: a secret is made from the server's own and a random salt beside the webhook. So
stolen rows sign nothing, and changing the server's secret changes all of them.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

from core.settings import get_settings

PREFIX = "whsec_"
_PURPOSE = b"webhook secret\0"  # apart from the digests of API keys, made with the same key


def new_salt() -> str:
    """What makes a webhook's next secret unlike any other."""
    return secrets.token_hex(32)


def secret_of(salt: str) -> str:
    """The secret that belongs to a salt, as its owner is told it: 32 bytes in base64."""
    key = get_settings().secret_key.get_secret_value().encode()
    made = hmac.new(key, _PURPOSE + salt.encode(), hashlib.sha256).digest()
    return PREFIX + base64.b64encode(made).decode()


def signatures(keys: Iterable[str], message_id: str, timestamp: int, body: str) -> str:
    """The header `webhook-signature`: one signature for each secret, the newest first."""
    signed = f"{message_id}.{timestamp}.{body}".encode()
    made = (
        hmac.new(base64.b64decode(key.removeprefix(PREFIX)), signed, hashlib.sha256).digest()
        for key in keys
    )
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)

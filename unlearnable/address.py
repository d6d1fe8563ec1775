"""Where the API is and with which key: as given, from the environment, or of the local stack."""

import json
import os
from pathlib import Path

from unlearnable.errors import Misconfigured

URL, KEY = "UNLEARNABLE_URL", "UNLEARNABLE_API_KEY"
LOCAL_STACK = Path(".unlearnable") / "stack.json"


def find_address(base_url: str | None, api_key: str | None) -> tuple[str, str]:
    """Address and key. Those that are not given come from `UNLEARNABLE_URL` and
    `UNLEARNABLE_API_KEY`; if neither is anywhere, from the stack that `unlearnable up` runs here.

    Raises:
        Misconfigured: one is missing.
    """
    url = base_url or os.environ.get(URL)
    key = api_key or os.environ.get(KEY)
    if not url and not key:
        url, key = _local_stack() or (None, None)
    if url and key:
        if not url.startswith(("http://", "https://")):
            raise Misconfigured(f"{url} is no address: it must begin with https:// or http://.")
        if not key.isascii() or not key.isprintable():
            raise Misconfigured("The key has characters that no key has.")
        return url, key
    missing = f"{URL} (or base_url)" if key else f"{KEY} (or api_key)"
    raise Misconfigured(
        f"No {'address' if key else 'key'}: set {missing}, or run `unlearnable up` in this folder."
    )


def _local_stack() -> tuple[str, str] | None:
    """What the stack of this folder wrote down, unless it is another user's: it gets the data."""
    try:
        if hasattr(os, "geteuid") and LOCAL_STACK.stat().st_uid != os.geteuid():
            return None
        told = json.loads(LOCAL_STACK.read_text())
        return str(told["api_url"]), str(told["api_key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

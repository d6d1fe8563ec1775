"""So many requests a second for each key: a bucket of tokens in the broker's own server.

All processes of the API share the buckets. While that server is away nobody is limited: owners
shall not wait for what only keeps others from hurrying.
"""

import logging
import math
import time
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.settings import Settings
from service.kit.problems import Refusal

REST_SECONDS = 5.0  # how long a server that did not answer is left alone
HEADERS = {
    "RateLimit-Policy": "How many requests (`q`) your key may make in how many seconds (`w`).",
    "RateLimit": "How many are left (`r`), and in how many seconds (`t`) all will be again.",
}
_STATE = "allowance"
_TAKE = """
local burst, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local allowed = tokens >= 1
if allowed then tokens = tokens - 1 end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(1000 * burst / rate) + 1000)
return {allowed and 1 or 0, tostring(tokens)}
"""

log = logging.getLogger(__name__)


def too_many(retry_after: int) -> Refusal:
    """The bucket is empty."""
    return Refusal(
        429,
        "rate_limited",
        f"Too many requests with this key. Wait {retry_after} s, then go on more slowly; to follow "
        "a job, GET it with ?wait=30.",
        headers={"Retry-After": str(retry_after)},
    )


@dataclass(frozen=True)
class Allowance:
    """What a key may still do."""

    is_allowed: bool
    tokens: float
    burst: int
    rate: float

    @property
    def retry_after(self) -> int:
        """Whole seconds until the next request is allowed."""
        return max(1, math.ceil((1 - self.tokens) / self.rate))

    def headers(self) -> dict[str, str]:
        """As the IETF's draft on RateLimit header fields has them."""
        full_in = math.ceil((self.burst - self.tokens) / self.rate)
        window = math.ceil(self.burst / self.rate)
        return {
            "RateLimit-Policy": f'"key";q={self.burst};w={window}',
            "RateLimit": f'"key";r={int(self.tokens)};t={full_in}',
        }


class RateLimiter:
    """The buckets of all keys. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.rate_limit_per_second
        self._burst = settings.rate_limit_burst
        self._rest_until = 0.0
        url = settings.broker_url.get_secret_value()
        self._is_on = self._rate > 0 and url.startswith(("redis", "valkey", "unix"))
        if self._is_on:
            self._server = Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
            self._take = self._server.register_script(_TAKE)

    def close(self) -> None:
        """Close the connections; the next request would open new ones."""
        if self._is_on:
            self._server.close()

    def take(self, name: str) -> Allowance | None:
        """One token of the bucket `name`; None if nobody is limited."""
        if not self._is_on or time.monotonic() < self._rest_until:
            return None
        try:
            allowed, tokens = self._take(
                keys=[f"unlearnable:rate:{name}"], args=[self._burst, self._rate]
            )
        except RedisError as error:
            self._rest_until = time.monotonic() + REST_SECONDS
            log.warning("requests are not limited: %s", type(error).__name__)
            return None
        return Allowance(bool(allowed), float(tokens), self._burst, self._rate)


class RateLimitMiddleware:
    """Tell every caller what it has left, whatever the answer is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_told(message: Message) -> None:
            allowance = scope.get("state", {}).get(_STATE)
            if message["type"] == "http.response.start" and allowance is not None:
                MutableHeaders(scope=message).update(allowance.headers())
            await send(message)

        await self.app(scope, receive, send_told)


def charge(scope: Scope, limiter: RateLimiter, name: str) -> None:
    """Take a token for a request, and note for the answer's headers what is left.

    Raises:
        Refusal: there is none.
    """
    allowance = limiter.take(name)
    scope["state"][_STATE] = allowance
    if allowance is not None and not allowance.is_allowed:
        raise too_many(allowance.retry_after)

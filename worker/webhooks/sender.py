"""One attempt to send a message: resolve, check, connect to what was checked, post, read a little.

The transport is used without a client around it: so there are no redirects, cookies, credentials
or proxies from the environment to be kept out.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

import httpx2

from core import __version__
from core.settings import Settings
from core.webhook_secrets import signatures
from core.webhook_targets import Address, Target, is_within, may_reach, parse_networks, parse_target
from worker.webhooks.queue import OK, Claim, Outcome

CONNECT_SECONDS = 5.0
ADDRESSES = 3  # of a name that are tried, if the first do not answer
RESOLVERS = 32  # a resolver that is slow for one name must not hold up the others
BODY_SECONDS = 2.0  # for the answer's body, of which nothing depends
BODY_BYTES = 1024

TIMEOUT, UNRESOLVED, REFUSED = "timeout", "name_unresolved", "address_refused"
UNREACHABLE, TLS, PROTOCOL = "unreachable", "tls_failed", "protocol_error"
REDIRECT, STATUS = "redirect", "status"


class _Failed(Exception):
    """There was no answer; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Sender:
    """Sends messages, many at once. For one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.webhook_timeout_seconds
        self._private = parse_networks(settings.webhook_private_networks)
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")
        self._transport = httpx2.AsyncHTTPTransport(
            # The system's authorities, or those of SSL_CERT_FILE.
            verify=ssl.create_default_context(),
            trust_env=False,
            # Never a connection twice: it would belong to another name at the same address.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def close(self) -> None:
        await self._transport.aclose()
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def send(self, claim: Claim) -> Outcome:
        """Try once. Never raises for what the receiver, its name or its network does."""
        started = time.monotonic()

        def milliseconds() -> int:
            return round(1000 * (time.monotonic() - started))

        try:
            async with asyncio.timeout(self._timeout):
                response = await self._post(claim)
        except TimeoutError:
            return Outcome(milliseconds(), error=TIMEOUT)
        except _Failed as failed:
            return Outcome(milliseconds(), error=failed.code)
        took = milliseconds()
        status = response.status_code
        return Outcome(
            took,
            status,
            error=None if status in OK else REDIRECT if 300 <= status < 400 else STATUS,
            response=await _beginning(response),
            retry_after=_retry_after(response.headers.get("retry-after")),
        )

    async def _post(self, claim: Claim) -> httpx2.Response:
        target = parse_target(claim.url)
        addresses = await self._resolve(target)
        timestamp = int(time.time())
        headers = {
            "Host": target.host_header,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"unlearnable/{__version__}",
            "webhook-id": claim.event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures(claim.secrets, claim.event_id, timestamp, claim.body),
        }
        extensions = {
            "timeout": {"connect": CONNECT_SECONDS},
            "sni_hostname": target.host,
        }
        failed = _Failed(UNREACHABLE)
        for address in addresses[:ADDRESSES]:
            request = httpx2.Request(
                "POST",
                target.at(address),
                headers=headers,
                content=claim.body.encode(),
                extensions=extensions,
            )
            try:
                return await self._transport.handle_async_request(request)
            except httpx2.ConnectTimeout:
                failed = _Failed(TIMEOUT)
            except httpx2.ConnectError as error:
                # Nothing was sent yet: the next address may be tried.
                failed = _Failed(TLS if _is_tls(error) else UNREACHABLE)
            except httpx2.TransportError as error:
                raise _Failed(PROTOCOL) from error
        raise failed

    async def _resolve(self, target: Target) -> list[Address]:
        """The addresses of a target, all of which may be reached."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._resolvers, _addresses, target.host, target.port
            )
        except (OSError, UnicodeError) as error:
            raise _Failed(UNRESOLVED) from error
        # All of them: a name that is both is how a check is fooled.
        if not found or not all(may_reach(address, self._private) for address in found):
            raise _Failed(REFUSED)
        if target.scheme == "http" and not all(is_within(a, self._private) for a in found):
            raise _Failed(REFUSED)
        return found


def _addresses(host: str, port: int) -> list[Address]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # An address with a zone (fe80::1%eth0) is no public one, and loses nothing here.
    return list(dict.fromkeys(ip_address(str(info[4][0]).partition("%")[0]) for info in infos))


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


async def _beginning(response: httpx2.Response) -> str:
    """The first characters of the answer's body, as far as they come soon."""
    received = b""
    with contextlib.suppress(TimeoutError, httpx2.TransportError):
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in response.stream:  # type: ignore[union-attr]  # made by the transport
                received += chunk
                if len(received) >= BODY_BYTES:
                    break
    with contextlib.suppress(httpx2.TransportError):
        await response.aclose()
    text = received[:BODY_BYTES].decode(errors="replace")
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def _retry_after(value: str | None) -> timedelta | None:
    """The header `Retry-After`, as seconds or as a date; None if it says nothing."""
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) < 9:
        return timedelta(seconds=int(value))
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment - datetime.now(UTC)

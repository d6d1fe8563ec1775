"""One attempt against real receivers: what is sent, and where nothing is sent."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from core.settings import Settings
from tests.core.test_webhook_targets import NOT_PUBLIC
from tests.worker.webhooks.receiver import CERTIFICATE, NAME, Receiver, receiving, status
from worker.webhooks.queue import Claim, Outcome
from worker.webhooks.sender import Sender

BODY = '{"id":"evt_1","type":"webhook.test"}'
Send = Callable[..., Outcome]


def claim(url: str) -> Claim:
    return Claim(
        delivery_id="dlv_1",
        token=1,
        webhook_id="wh_1",
        tenant_id="ten_1",
        event_id="evt_1",
        body=BODY,
        url=url,
        secrets=("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDPzcmMWpDaWE=",),
    )


@pytest.fixture
def send(servers: Settings) -> Send:
    """One attempt; loopback is allowed unless told otherwise."""

    def send(url: str, **changes: Any) -> Outcome:
        changes = {"webhook_private_networks": "127.0.0.0/8"} | changes

        async def once() -> Outcome:
            sender = Sender(servers.model_copy(update=changes))
            try:
                return await sender.send(claim(url))
            finally:
                await sender.close()

        return asyncio.run(once())

    return send


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; those that are not here, as ever."""
    known: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def answer(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host not in known:
            return resolve(host, port, *more, **named)
        found = []
        for address in known[host]:
            found += resolve(address, port, *more, **named)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


@pytest.fixture
def tls_receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with receiving(tls=True) as receiver:
        yield receiver


def test_what_a_receiver_gets(send: Send, receiver: Receiver) -> None:
    receiver.answer = status(200, "thanks\x00")
    outcome = send(receiver.url(path="/in?x=%20"))
    assert (outcome.status_code, outcome.error, outcome.response) == (200, None, "thanks ")
    [seen] = receiver.seen
    assert (seen.path, seen.body.decode()) == ("/in?x=%20", BODY)
    assert seen.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == "evt_1"
    assert abs(int(seen.headers["webhook-timestamp"]) - time.time()) < 60
    assert seen.headers["webhook-signature"].startswith("v1,")
    assert seen.headers["user-agent"].startswith("unlearnable/")
    assert "cookie" not in seen.headers


@pytest.mark.parametrize(
    ("code", "error"),
    [(201, None), (299, None), (301, "redirect"), (404, "status"), (500, "status")],
)
def test_only_2xx_is_received(send: Send, receiver: Receiver, code: int, error: str) -> None:
    receiver.answer = status(code)
    outcome = send(receiver.url())
    assert (outcome.status_code, outcome.error) == (code, error)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(
    send: Send, receiver: Receiver, other_receiver: Receiver, code: int
) -> None:
    receiver.answer = status(code, location=other_receiver.url())
    assert send(receiver.url()).error == "redirect"
    assert len(receiver.seen) == 1
    assert other_receiver.seen == []


def test_proxies_of_the_environment_are_not_asked(
    send: Send, receiver: Receiver, other_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other_receiver.url(path=""))
    assert send(receiver.url()).error is None
    assert len(receiver.seen) == 1
    assert other_receiver.seen == []


def test_a_name_is_sent_to_the_address_that_was_checked(
    send: Send, tls_receiver: Receiver, names: dict[str, list[str]]
) -> None:
    names[NAME] = ["127.0.0.1"]
    outcome = send(tls_receiver.url(NAME, scheme="https"))
    assert (outcome.status_code, outcome.error) == (204, None)
    assert tls_receiver.sni == [NAME]
    assert tls_receiver.seen[0].headers["host"] == f"{NAME}:{tls_receiver.port}"


def test_a_certificate_for_another_name_is_refused(
    send: Send, tls_receiver: Receiver, names: dict[str, list[str]]
) -> None:
    names["other.example.com"] = ["127.0.0.1"]
    assert send(tls_receiver.url("other.example.com", scheme="https")).error == "tls_failed"
    assert send(tls_receiver.url(scheme="https")).error == "tls_failed"
    assert tls_receiver.seen == []


def test_a_certificate_that_nobody_signed_is_refused(
    send: Send,
    tls_receiver: Receiver,
    names: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    names[NAME] = ["127.0.0.1"]
    assert send(tls_receiver.url(NAME, scheme="https")).error == "tls_failed"
    assert tls_receiver.seen == []


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_names_that_lead_to_us_are_refused(
    send: Send, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """By default, and also if another address of the name is public."""
    connected: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, where: connected.append(where))
    for scheme in ("http", "https"):
        for answers in ([address], ["1.1.1.1", address], [address, "2606:4700:4700::1111"]):
            names["inside.example.com"] = answers
            url = f"{scheme}://inside.example.com:8443/"
            assert send(url, webhook_private_networks=None).error == "address_refused"
    assert connected == []


def test_loopback_is_refused_by_default(send: Send, receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost"):
        refused = send(receiver.url(host), webhook_private_networks=None)
        assert (refused.error, refused.status_code) == ("address_refused", None)
    assert receiver.seen == []


def test_http_is_for_allowed_networks_only(send: Send, names: dict[str, list[str]]) -> None:
    names["public.example.com"] = ["1.1.1.1"]
    assert send("http://public.example.com/").error == "address_refused"


def test_a_name_is_asked_for_once(
    send: Send, receiver: Receiver, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers differently the second time finds nobody who asks."""
    asked: list[Any] = []
    resolve = socket.getaddrinfo
    names["rebinding.example.com"] = ["127.0.0.1"]

    def count(host: Any, *more: Any, **named: Any) -> Any:
        asked.append(host)
        return resolve(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", count)
    assert send(receiver.url("rebinding.example.com")).error is None
    assert asked.count("rebinding.example.com") == 1


def test_another_address_of_the_name_is_tried(
    send: Send, receiver: Receiver, names: dict[str, list[str]]
) -> None:
    names["two.example.com"] = ["127.0.0.2", "127.0.0.1"]  # nobody listens at the first
    assert send(receiver.url("two.example.com")).error is None


def test_names_and_ports_where_nobody_is(send: Send) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/").error == "unreachable"
    assert send("https://nobody.invalid/").error == "name_unresolved"


def test_an_answer_without_end_is_left(send: Send, receiver: Receiver) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    receiver.answer = flood
    outcome = send(receiver.url())
    assert (outcome.status_code, outcome.error) == (200, None)
    assert outcome.response == "x" * 1024


@pytest.mark.parametrize(
    "drip", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["nothing", "a header without end"]
)
def test_slowness_has_an_end(send: Send, receiver: Receiver, drip: bytes) -> None:
    """However often a receiver says a little: the time counts as a whole."""
    left = threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(drip)
        while not left.wait(0.1):
            if drip:
                handler.wfile.write(b"x")

    receiver.answer = wait
    try:
        outcome = send(receiver.url(), webhook_timeout_seconds=1.0)
    finally:
        left.set()
    assert (outcome.status_code, outcome.error) == (None, "timeout")
    assert outcome.latency_ms >= 1000


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120), ("x", None), ("-1", None), ("Mon, 23 Nov 1998 1:2:3", -1)]
)
def test_receivers_say_when_to_come_again(
    send: Send, receiver: Receiver, value: str, seconds: int | None
) -> None:
    receiver.answer = status(503, retry_after=value)
    asked = send(receiver.url()).retry_after
    if seconds is None:
        assert asked is None
    elif seconds < 0:
        assert asked is not None
        assert asked.total_seconds() < 0
    else:
        assert asked is not None
        assert asked.total_seconds() == seconds

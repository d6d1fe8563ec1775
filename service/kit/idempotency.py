"""`Idempotency-Key`: a POST that is sent again is answered again, and done once.

The answer of a POST that succeeded is kept, and sent to whoever repeats it under the same key. One
that was refused is forgotten, so that it may be mended and tried again. If the process dies between
the deed and the note of its answer, or the database is away just then, the key stays taken: better
to ask than to do it twice.

A secret that is shown once is not kept: in a replayed answer its field is null.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Coroutine, Set
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import ColumnElement, delete, exists, update
from sqlalchemy.dialects.postgresql import insert
from starlette.concurrency import run_in_threadpool

from core import audit
from core.database import transaction
from core.ids import new_id
from core.problem import Refused
from core.tables import AuditEvent, IdempotencyKey
from service.kit.auth import identify
from service.kit.body_limit import is_form
from service.kit.problems import Conflict, Refusal

HEADER = "Idempotency-Key"
JSON = "application/json"
REPLAYED = "Idempotent-Replayed"
_SHAPE = re.compile(r"[!-~]{1,255}")
_KEPT_HEADERS = ("content-type", "location", "preference-applied", "retry-after")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

DESCRIPTION = (
    "A word of your choice for this very request, such as a UUID. Sent again with the same word "
    "within a day, it is not done again: you get the first answer, with `Idempotent-Replayed: "
    "true`. Refused requests may be mended and sent again with the same word."
)


SCHEMA = {"type": "string", "pattern": f"^{_SHAPE.pattern}$"}


def key_invalid() -> Refusal:
    return Refusal(
        400,
        "idempotency_key_invalid",
        f"{HEADER} must have 1 to 255 printable ASCII characters and no spaces.",
        HEADER,
    )


def key_reused() -> Refusal:
    """The same key, another request."""
    return Refusal(
        422,
        "idempotency_key_reused",
        f"This {HEADER} was sent before, with another request. Take a new one for this request.",
        HEADER,
    )


def in_progress() -> Conflict:
    return Conflict(
        "idempotency_key_in_progress",
        "The first request with this key is still being worked on. If that does not change, its "
        "server has died: list what you have to see whether it was done, and take a new key.",
        HEADER,
        retry_after=1,
    )


PROBLEMS = (key_invalid(), in_progress(), key_reused())


class IdempotentRoute(APIRoute):
    """A route whose POST heeds `Idempotency-Key`."""

    shown_once: ClassVar[Set[str]] = frozenset()
    """Fields of the answer that are secrets."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST":
                return await handler(request)
            if not _SHAPE.fullmatch(key):
                raise key_invalid()
            # It reads the body, and whoever sends that slowly could outlast the revocation of its
            # key: only then is the caller looked at.
            fingerprint = await _fingerprint(request)
            # Before any answer is given again: it is only for who may ask.
            caller = await run_in_threadpool(identify, request)
            taken = Taken(caller.tenant_id, key, fingerprint)
            return await _once(request, handler, taken, self.shown_once)

        return once


class SecretRoute(IdempotentRoute):
    """Whoever repeats a request is not shown the secret again: nobody has kept it."""

    shown_once = frozenset({"secret"})


@dataclass(frozen=True)
class Taken:
    """A key that stands for a request."""

    tenant_id: str
    key: str
    fingerprint: str


async def _once(request: Request, handler: Handler, taken: Taken, shown_once: Set[str]) -> Response:
    known = await run_in_threadpool(_take, taken)
    if known is not None:
        return _replay(known, taken.fingerprint)
    # Ids of one process sort by time, to the millisecond.
    before = new_id(audit.PREFIX, time.time_ns() // 1_000_000 - 1)
    try:
        response = await handler(request)
    except (Refused, BotoCoreError, ClientError):
        await run_in_threadpool(_forget, taken)
        raise
    except BaseException:
        # Perhaps after the deed: the answer to its commit was lost, or the server told to stop.
        await run_in_threadpool(_forget_undone, taken, request.state.request_id, before)
        raise
    if 200 <= response.status_code < 300 and _is_kept(response):
        await run_in_threadpool(_keep, taken, response, shown_once)
    else:
        await run_in_threadpool(_forget, taken)
    return response


def _is_kept(response: Response) -> bool:
    """A file in an answer is the owner's: it stays nowhere, and is made again the same."""
    return response.headers.get("content-type", JSON).partition(";")[0] == JSON


async def _fingerprint(request: Request) -> str:
    """What makes a request this one. Of an upload its size, which is known before it is sent."""
    if is_form(request.headers):
        body = request.headers.get("content-length", "").encode()
    else:
        body = await request.body()
    address = f"{request.url.path}?{request.url.query}\n"
    return hashlib.sha256(address.encode() + body).hexdigest()


def _take(taken: Taken) -> IdempotencyKey | None:
    """Take a key that nobody has, or return what is known of it."""
    while True:
        with transaction() as session:
            is_ours = session.execute(
                insert(IdempotencyKey)
                .values(**asdict(taken))
                .on_conflict_do_nothing()
                .returning(IdempotencyKey.key)
            ).one_or_none()
            known = None if is_ours else session.get(IdempotencyKey, (taken.tenant_id, taken.key))
        if is_ours or known:
            return known
        # Its request was refused and the key forgotten between the two looks: it is free again.


def _replay(known: IdempotencyKey, fingerprint: str) -> Response:
    if known.fingerprint != fingerprint:
        raise key_reused()
    if known.status is None:
        raise in_progress()
    return Response(known.body, known.status, {**(known.headers or {}), REPLAYED: "true"})


def _keep(taken: Taken, response: Response, shown_once: Set[str]) -> None:
    body = bytes(response.body)
    if shown_once:
        told: dict[str, Any] = json.loads(body)
        body = json.dumps(told | dict.fromkeys(told.keys() & shown_once)).encode()
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    with transaction() as session:
        session.execute(
            update(IdempotencyKey)
            .where(*_is(taken))
            .values(status=response.status_code, headers=headers, body=body)
        )


def _forget(taken: Taken, *unless: ColumnElement[bool]) -> None:
    with transaction() as session:
        session.execute(delete(IdempotencyKey).where(*_is(taken), *unless))


def _forget_undone(taken: Taken, request_id: str, before: str) -> None:
    """Forget a request that failed, unless it has done something: that is in the audit log."""
    done = exists().where(
        AuditEvent.tenant_id == taken.tenant_id,
        AuditEvent.id > before,
        AuditEvent.request_id == request_id,
    )
    _forget(taken, ~done)


def _is(taken: Taken) -> tuple[ColumnElement[bool], ...]:
    return IdempotencyKey.tenant_id == taken.tenant_id, IdempotencyKey.key == taken.key

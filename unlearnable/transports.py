"""Performing what flows ask for: once blocking, once awaiting. Everything else is shared."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from unlearnable.errors import ConnectionFailed
from unlearnable.flows import (
    Async,
    Command,
    Flow,
    Pages,
    Receive,
    Send,
    Sleep,
    Sync,
    Together,
    Transport,
    Work,
)
from unlearnable.requests import Answer, Request
from unlearnable.version import __version__

T = TypeVar("T")

CHUNK = 1024 * 1024
CONNECT_SECONDS = 10.0
USER_AGENT = f"unlearnable-python/{__version__}"
# Proxies of the environment are for the world outside.
DIRECT = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))


class _Requests:
    """How a request goes over the wire."""

    def __init__(self, url: str, key: str, seconds: float) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._seconds = seconds

    def arguments(self, request: Request) -> dict[str, Any]:
        """For `httpx2.Client.build_request`."""
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **request.headers}
        url = request.path
        if not request.is_link:
            # Links carry a signature of their own, and the store must not see the key.
            headers["Authorization"] = f"Bearer {self._key}"
            url = self._url + url
        seconds = self._seconds if request.seconds is None else request.seconds
        return {
            "method": request.method,
            "url": url,
            "params": {name: one for name, one in request.params.items() if one is not None}
            or None,
            "json": request.body,
            "content": request.content,
            "files": [("file", file) for file in request.files] or None,
            "data": {"label": list(request.labels)} if request.labels else None,
            "headers": headers,
            "timeout": httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
        }

    def failure(self, request: Request, error: httpx2.HTTPError) -> ConnectionFailed:
        # The address of a link holds its signature.
        where = "The object store" if request.is_link else self._url
        return ConnectionFailed(f"{where} does not answer: {error or type(error).__name__}.")


def _answer(response: httpx2.Response, content: bytes) -> Answer:
    headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, content)


class SyncTransport(Transport[Sync]):
    """Blocks until each command is done.

    Args:
        http: used for the API instead of a client of its own; not closed.
    """

    def __init__(
        self, url: str, key: str, seconds: float, max_retries: int, http: httpx2.Client | None
    ) -> None:
        super().__init__(max_retries)
        self._requests = _Requests(url, key, seconds)
        self._own = httpx2.Client(mounts=DIRECT)
        self._api = http or self._own

    def close(self) -> None:
        self._own.close()

    def run(self, flow: Flow[T]) -> T:
        try:
            command = next(flow)
            while True:
                try:
                    result = self._perform(command)
                except Exception as error:
                    command = flow.throw(error)
                else:
                    command = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            flow.close()

    def iterate(self, pages: Pages[T]) -> Iterator[T]:
        after = None
        while True:
            page = self.run(pages(after))
            yield from page.items
            after = page.after
            if after is None:
                return

    def _perform(self, command: Command) -> Any:
        match command:
            case Send(request):
                return self._exchange(request, None)
            case Receive(request):
                return self._exchange(request, command)
            case Sleep(seconds):
                return time.sleep(seconds)
            case Work(task):
                return task()
            case Together(flows):
                return self._run_together(flows)

    def _run_together(self, flows: Sequence[Flow[Any]]) -> list[Any]:
        """In threads that keep nobody waiting after Ctrl-C, as those of an executor would."""
        results: dict[int, Any] = {}
        ended: SimpleQueue[Exception | None] = SimpleQueue()

        def run(number: int, flow: Flow[Any]) -> None:
            try:
                results[number] = self.run(flow)
            except Exception as error:
                ended.put(error)
            else:
                ended.put(None)

        for number, flow in enumerate(flows):
            Thread(target=run, args=(number, flow), daemon=True).start()
        for _ in flows:
            error = ended.get()
            if error is not None:
                raise error
        return [results[number] for number in range(len(flows))]

    def _exchange(self, request: Request, receive: Receive | None) -> Answer:
        http = self._own if request.is_link else self._api
        try:
            built = http.build_request(**self._requests.arguments(request))
            response = http.send(built, stream=True)
            try:
                if receive is None or not response.is_success:
                    return _answer(response, response.read())
                for chunk in response.iter_bytes(CHUNK):
                    receive.sink(response.status_code, chunk)
                return _answer(response, b"")
            finally:
                response.close()
        except httpx2.TransportError as error:
            raise self._requests.failure(request, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncTransport(Transport[Async]):
    """Awaits each command on asyncio's loop; files are read and written in threads.

    Args:
        http: used for the API instead of a client of its own; not closed.
    """

    def __init__(
        self, url: str, key: str, seconds: float, max_retries: int, http: httpx2.AsyncClient | None
    ) -> None:
        super().__init__(max_retries)
        self._requests = _Requests(url, key, seconds)
        self._own = httpx2.AsyncClient(mounts=DIRECT)
        self._api = http or self._own

    async def close(self) -> None:
        await self._own.aclose()

    async def run(self, flow: Flow[T]) -> T:
        try:
            command = next(flow)
            while True:
                try:
                    result = await self._perform(command)
                except Exception as error:
                    command = flow.throw(error)
                else:
                    command = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            flow.close()

    async def iterate(self, pages: Pages[T]) -> AsyncIterator[T]:
        after = None
        while True:
            page = await self.run(pages(after))
            for item in page.items:
                yield item
            after = page.after
            if after is None:
                return

    async def _perform(self, command: Command) -> Any:
        match command:
            case Send(request):
                return await self._exchange(request, None)
            case Receive(request):
                return await self._exchange(request, command)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case Work(task):
                return await asyncio.to_thread(task)
            case Together(flows):
                running = [asyncio.create_task(self.run(flow)) for flow in flows]
                try:
                    return await asyncio.gather(*running)
                finally:
                    for one in running:
                        one.cancel()

    async def _exchange(self, request: Request, receive: Receive | None) -> Answer:
        http = self._own if request.is_link else self._api
        try:
            built = http.build_request(**self._requests.arguments(request))
            response = await http.send(built, stream=True)
            try:
                if receive is None or not response.is_success:
                    return _answer(response, await response.aread())
                async for chunk in response.aiter_bytes(CHUNK):
                    await asyncio.to_thread(receive.sink, response.status_code, chunk)
                return _answer(response, b"")
            finally:
                await response.aclose()
        except httpx2.TransportError as error:
            raise self._requests.failure(request, error) from error

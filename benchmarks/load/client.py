"""An HTTP client that costs little, and requests sent at a fixed rate whatever comes back."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

KEEP_SECONDS = 3.0  # uvicorn closes connections that were idle for 5


class Client:
    """Keeps connections open and takes the one used last. For one event loop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []

    async def get(self, target: str, key: str, *headers: str) -> tuple[int, bytes]:
        """Status and body of one GET."""
        reader, writer = await self._connection()
        lines = (
            f"GET {target} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            f"Authorization: Bearer {key}",
            *headers,
        )
        writer.write("\r\n".join((*lines, "", "")).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = await reader.readexactly(length)
        self._idle.append((reader, writer, time.monotonic()))
        return int(head.split(b" ", 2)[1]), body

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer, used_at = self._idle.pop()
            if time.monotonic() - used_at < KEEP_SECONDS:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def close(self) -> None:
        for _, writer, _ in self._idle:
            writer.close()
            await writer.wait_closed()


@dataclass
class Latencies:
    """Milliseconds from when a request was due to when its answer was read, and all statuses."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """The latency that `share` (0 to 1) of the requests stay within."""
        ordered = sorted(self.milliseconds)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return round(len(self.milliseconds) / self.seconds, 1)


async def at_rate(
    client: Client, rate: float, seconds: float, draw: Callable[[], tuple[str, ...]]
) -> Latencies:
    """Send what `draw` says, `rate` times a second, and measure from when each was due.

    Open loop: a server that falls behind gets no fewer requests, and the wait counts.
    """
    found = Latencies()
    started = time.perf_counter()

    async def one(due: float, asked: tuple[str, ...]) -> None:
        status, _ = await client.get(*asked)
        found.milliseconds.append((time.perf_counter() - due) * 1000)
        found.statuses[status] = found.statuses.get(status, 0) + 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(due, draw()))
    found.seconds = time.perf_counter() - started
    return found

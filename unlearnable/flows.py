"""What a call does, written once for both clients.

A flow is a generator: it yields commands (send this, sleep, read that file) and gets their results
back. It decides everything and does nothing, so the same flow runs under a client that blocks and
under one that awaits: `transports.py` performs the commands for each. `operation` and `listing`
make methods of flows; a type checker sees a plain value on `Unlearnable` and an awaitable one on
`AsyncUnlearnable`.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from unlearnable.requests import Request

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Send:
    """Send a request; its result is the `Answer`.

    Raises, inside the flow:
        ConnectionFailed: there was no answer.
    """

    request: Request


@dataclass(frozen=True)
class Receive:
    """Like `Send`, but a successful body goes to `sink(status, chunk)` as it comes."""

    request: Request
    sink: Callable[[int, bytes], None]


@dataclass(frozen=True)
class Sleep:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Call something that takes a while, such as reading a file, for what it returns."""

    task: Callable[[], Any]


@dataclass(frozen=True)
class Together:
    """Run flows side by side; its result is the list of theirs. The first error ends all."""

    flows: Sequence["Flow[Any]"]


Command = Send | Receive | Sleep | Work | Together
Flow = Generator[Command, Any, T]


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A page of a list, and the cursor of the next one; None at the end."""

    items: Sequence[Item]
    after: str | None


# Fetches the page after a cursor.
Pages = Callable[[str | None], Flow[Page[Item]]]


class Sync:
    """Marks what blocks."""


class Async:
    """Marks what is awaited."""


Mode = TypeVar("Mode")


class Transport(ABC, Generic[Mode]):
    """Performs commands.

    Attributes:
        max_retries: how often a request is sent again before its failure counts.
    """

    def __init__(self, max_retries: int) -> None:
        self.max_retries = max_retries

    @abstractmethod
    def run(self, flow: Flow[Any]) -> Any:
        """The flow's result, or something to await for it."""

    @abstractmethod
    def iterate(self, pages: Pages[Any]) -> Any:
        """An iterator over the items of all pages, of this mode's kind."""


class Resource(Generic[Mode]):
    """One noun of the API."""

    def __init__(self, transport: Transport[Mode]) -> None:
        self.transport = transport


class Operation(Generic[P, T]):
    """A method that runs a flow."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self.flow = flow
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Resource[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, instance: Resource[Async], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Resource[Any] | None, owner: type) -> Any:
        if instance is None:
            return self

        @functools.wraps(self.flow)
        def start(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance.transport.run(self.flow(instance, *args, **kwargs))

        return start


class Listing(Generic[P, Item]):
    """A method that walks through the pages of a list."""

    def __init__(self, pages: Callable[Concatenate[Any, P], Pages[Item]]) -> None:
        self.pages = pages
        self.__doc__ = pages.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Resource[Sync], owner: type) -> Callable[P, Iterator[Item]]: ...
    @overload
    def __get__(
        self, instance: Resource[Async], owner: type
    ) -> Callable[P, AsyncIterator[Item]]: ...
    def __get__(self, instance: Resource[Any] | None, owner: type) -> Any:
        if instance is None:
            return self

        @functools.wraps(self.pages)
        def start(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance.transport.iterate(self.pages(instance, *args, **kwargs))

        return start


def operation(flow: Callable[Concatenate[Any, P], Flow[T]]) -> Operation[P, T]:
    """Make a method of a flow."""
    return Operation(flow)


def listing(pages: Callable[Concatenate[Any, P], Pages[Item]]) -> Listing[P, Item]:
    """Make a method of the pages of a list."""
    return Listing(pages)

"""Randomness by name: a draw depends on the seed and on what it is for, not on what ran before.

So a training that resumes at trial 12 draws what the uninterrupted one drew at trial 12, and the
checkpoint need not carry the state of any random generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn


def derived_seed(seed: int, *path: str | int) -> int:
    """A 63-bit seed for the purpose that `path` names."""
    digest = hashlib.blake2b(repr((seed, *path)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *path: str | int) -> torch.Generator:
    """A CPU generator seeded for the purpose that `path` names."""
    return torch.Generator().manual_seed(derived_seed(seed, *path))


def seeded_module(build: Callable[[], nn.Module], seed: int, *path: str | int) -> nn.Module:
    """A module whose initial weights depend on the seed and `path`; the global state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, *path))
        return build()


def mini_batches(
    n: int, batch_size: int, count: int, seed: int, *path: str | int
) -> Iterator[Tensor]:
    """`count` index tensors (min(batch_size, n),) from shuffled passes over 0 .. n - 1."""
    size = min(batch_size, n)
    draw = generator(seed, *path)
    left = torch.empty(0, dtype=torch.int64)
    for _ in range(count):
        while len(left) < size:
            left = torch.cat([left, torch.randperm(n, generator=draw)])
        yield left[:size]
        left = left[size:]

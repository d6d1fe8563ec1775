"""Textures that photographs do not have: what the class-wise part of the noise may start from.

An autoregressive process writes a texture pixel by pixel, each a fixed linear combination of its
neighbours to the left and above ("Autoregressive Perturbations for Data Poisoning",
Sandoval-Segura et al., NeurIPS 2022, who measured 11.8 % for a ResNet-18 on CIFAR-10). A
convolution recognises one wherever it lies, so crops do not hide it, and a victim that can tell the
classes by it has nothing left to learn from the images. Patterns of coarse blocks are learned as
quickly, but a clean image looks a little like one or another of them: measured on CIFAR-10 at
8/255, a 5-conv CNN is left with 24 to 32 % by blocks and with 10 % by these.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIDE = 32
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_NEIGHBOURS = 8  # of the 3 x 3 window that ends at the pixel
_LARGEST = 1e6  # beyond it one growing wave has taken the texture over
_CANDIDATES = 20
_MOST_CANDIDATES = 4000
_LAGS = tuple(
    (down, right) for down in range(4) for right in range(-3, 4) if (down, right) > (0, 0)
)


def class_textures(num_classes: int, channels: int, draw: np.random.Generator) -> Tensor:
    """One texture a class, chosen to differ from each other, mirrored and in grayscale too.

    Returns:
        float32 (K, C, SIDE, SIDE) of -1 and 1.
    """
    count = max(num_classes, min(_CANDIDATES * num_classes, _MOST_CANDIDATES))
    textures = np.where(autoregressive(count, channels, draw) >= 0.0, 1.0, -1.0)
    chosen = _farthest(_characteristics(textures), num_classes)
    return torch.from_numpy(textures[chosen].astype(np.float32))


def autoregressive(count: int, channels: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Autoregressive textures (count, C, SIDE, SIDE), each channel a process of its own.

    The eight coefficients are normal draws; where they do not nearly cancel, they are scaled to sum
    to 1, which keeps the process from dying out. One that runs away all the same is drawn again.
    """
    drawn = np.empty((0, SIDE, SIDE))
    while len(drawn) < count * channels:
        new = _processes(count * channels, draw)
        spread = new.std(axis=(1, 2))
        sound = np.isfinite(spread) & (np.abs(new).max(axis=(1, 2)) < _LARGEST) & (spread > 1e-3)
        drawn = np.concatenate([drawn, new[sound]])
    centred = drawn - np.median(drawn, axis=(1, 2), keepdims=True)
    return centred[: count * channels].reshape(count, channels, SIDE, SIDE)


def _processes(count: int, draw: np.random.Generator) -> NDArray[np.float64]:
    weights = draw.normal(size=(count, _NEIGHBOURS))
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    total = weights.sum(axis=1, keepdims=True)
    weights /= np.where(np.abs(total) > 0.2, total, 1.0)
    start = 4  # rows and columns of noise, and the first of the process, that are cut off
    field = draw.normal(size=(count, SIDE + start, SIDE + start))
    for row in range(2, SIDE + start):
        for column in range(2, SIDE + start):
            window = field[:, row - 2 : row + 1, column - 2 : column + 1].reshape(count, 9)
            field[:, row, column] = (weights * window[:, :_NEIGHBOURS]).sum(axis=1)
    return field[:, start:, start:]


def _characteristics(textures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Autocorrelations (N, F) of every channel and of the luminance.

    They do not change where the texture is moved, and are taken over both left-to-right
    orientations, because learners mirror images.
    """
    planes = textures
    if textures.shape[1] == 3:
        luminance = np.einsum("nchw,c->nhw", textures, np.array(_LUMA))[:, None]
        planes = np.concatenate([textures, luminance], axis=1)
    planes = planes / np.maximum(planes.std(axis=(2, 3), keepdims=True), 1e-6)
    found = []
    for down, right in _LAGS:
        moved = np.roll(planes, (down, right), axis=(2, 3))
        mirrored = np.roll(planes, (down, -right), axis=(2, 3))
        found.append(((planes * moved).mean((2, 3)) + (planes * mirrored).mean((2, 3))) / 2.0)
    return np.concatenate(found, axis=1)


def _farthest(points: NDArray[np.float64], count: int) -> list[int]:
    """Indices of `count` points (N, F), each as far as can be from those before it."""
    chosen = [0]
    nearest = ((points - points[0]) ** 2).sum(1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(1))
    return chosen

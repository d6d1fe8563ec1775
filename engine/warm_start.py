"""Before Algorithm 2: a generator that already gives images the features of other classes.

Algorithm 2 starts from noise that means nothing, and needs many trials until a victim is misled by
it. This start gets there first. A few surrogate classifiers are trained on the clean images,
stopped at different ages, some of them against noise. Then g learns to make an image of class y
look to them like the class k with eta(k) = y. Whoever trains on such images ties the features of k
to the label eta(k), which is what problem (6) asks for; without a label map any fixed rearrangement
of the classes serves problem (4).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from engine.algorithm2 import StepFigures, protected
from engine.autoregressive import class_textures
from engine.evaluation.augmentation import augment
from engine.generators import patterns_of, silence, textures_of
from engine.plan import TrainingPlan
from engine.randomness import derived_seed
from engine.tensors import as_float, channels_last


def features_to_carry(
    num_classes: int, label_map: tuple[int, ...] | None, *, leave: bool = False
) -> Tensor:
    """Which classes' features the images of each class are to carry.

    Returns:
        float32 (K, K), rows sum to 1. Row y is spread over the classes k that eta sends to y. A
        class to which eta sends no other carries the next class's features: it only has to confuse.
        Without a label map every class does so. With `leave`, eta is taken at its word: a class
        that is mapped to itself carries its own features too, and one to which eta sends no class
        carries those of all.
    """
    carried = torch.zeros(num_classes, num_classes)
    for k, target in enumerate(label_map or ()):
        if k != target or leave:
            carried[target, k] = 1.0
    for y in range(num_classes):
        if carried[y].any():
            continue
        if leave:
            carried[y] = 1.0
        else:
            carried[y, (y - 1) % num_classes] = 1.0
    return carried / carried.sum(1, keepdim=True)


def class_differences(
    train: tuple[Tensor, Tensor], carried: Tensor, *, chunk: int = 5000
) -> Tensor:
    """For each class, the mean image of the classes it is to carry minus its own mean image.

    Args:
        train: images uint8 (N, C, H, W), labels int64 (N,).
        carried: (K, K) from `features_to_carry`.
        chunk: images held as floats at a time.

    Returns:
        float32 (K, C, H, W), between -1 and 1; zero for a class without images.
    """
    x, y = train
    sums = torch.zeros((len(carried), *x.shape[1:]), device=x.device)
    for images, labels in zip(torch.split(x, chunk), torch.split(y, chunk), strict=True):
        sums.index_add_(0, labels, as_float(images))
    counts = torch.bincount(y, minlength=len(carried)).clamp_min(1)
    means = sums / counts[:, None, None, None]
    return torch.einsum("yk,kchw->ychw", carried, means) - means


def start_classes(
    g: nn.Module, plan: TrainingPlan, train: tuple[Tensor, Tensor], carried: Tensor, secret: str
) -> None:
    """Give a fresh generator the patterns and textures that the plan lets its classes start from.

    Textures are drawn from seed and secret. From the seed alone, which may well be the default,
    whoever receives the images could draw them too, and take them away again.

    Args:
        g: from `engine.trained.new_generator`, for the same plan; changed.
        plan: see its `patterns` and `textures`.
        train: images uint8 (N, C, H, W), labels int64 (N,).
        carried: (K, K) from `features_to_carry`.
        secret: what only the owner of the images has, such as their fingerprint.
    """
    if plan.patterns:
        patterns_of(g).start_from(plan.patterns * class_differences(train, carried))
    if plan.textures:
        draw = np.random.default_rng(derived_seed(plan.seed, "textures", secret))
        tiles = class_textures(len(carried), train[0].shape[1], draw)
        textures_of(g).start_from(plan.textures * tiles)
    if plan.starts_protected:
        silence(g)


def companion(surrogates: list[nn.Module], carried: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The warm start's objective as a direction at the image, to go on beside Algorithm 2.

    One surrogate a call, in turns, beginning with the first.
    """
    turns = itertools.cycle(surrogates)

    def at_image(x_protected: Tensor, y: Tensor) -> Tensor:
        image = channels_last(x_protected).requires_grad_()
        loss = cross_entropy(next(turns)(image), carried[y])
        (direction,) = torch.autograd.grad(loss, image)
        return direction

    return at_image


def run_warm_trial(
    g: nn.Module,
    optimizer: torch.optim.Optimizer,
    surrogates: list[nn.Module],
    carried: Tensor,
    batches: Iterable[tuple[Tensor, Tensor]],
    after_step: Callable[[StepFigures], None],
    augmentation: str = "none",
    moves: torch.Generator | None = None,
) -> None:
    """Let g make x + g(x) look like the classes it is to carry, one surrogate a mini-batch.

    Args:
        g: the generator; changed.
        optimizer: of its parameters.
        surrogates: frozen classifiers, used in turn.
        carried: (K, K) from `features_to_carry`.
        batches: pairs x (B, C, H, W) float in [0, 1] and y (B,) int64.
        after_step: called after every mini-batch; may raise to stop.
        augmentation: what is done to x + g(x) before the surrogate sees it.
        moves: draws for that.
    """
    for number, (x, y) in enumerate(batches):
        shown = protected(g, x, y)
        if moves is not None:
            shown = augment(shown, augmentation, moves)
        logits = surrogates[number % len(surrogates)](channels_last(shown))
        loss = cross_entropy(logits, carried[y])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        with torch.no_grad():
            seen = cross_entropy(logits, y)
        after_step(StepFigures(victim_loss=seen, outer=loss.detach()))

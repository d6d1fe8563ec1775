"""Classifiers that stand for whoever trains on the protected data.

A victim is added by writing one function of (channels, height, width, num_classes) and one line in
VICTIMS. Each works for 1 or 3 channels and any size from 8 x 8, and takes images (B, C, H, W) in
[0, 1]. The same networks serve as the imaginary victim inside the training and as fresh victims in
the evaluation.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

VictimBuilder = Callable[[int, int, int, int], nn.Module]


def paper_mnist_cnn(
    channels: int, height: int, width: int, num_classes: int, *, scale: float = 1.0
) -> nn.Module:
    """The paper's MNIST classifier, section 5: convolutions of 20 and 50 channels, 500 hidden.

    3x3 kernels, ReLU, each convolution followed by 2x2 max pooling. The text names no
    normalisation; the published code has BatchNorm after every layer, and so has this.
    `scale` multiplies the widths (section 5.2 doubles and halves them).
    """
    a, b, hidden = (max(1, round(scale * n)) for n in (20, 50, 500))
    return nn.Sequential(
        nn.Conv2d(channels, a, 3, padding=1, bias=False),
        nn.BatchNorm2d(a),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(a, b, 3, padding=1, bias=False),
        nn.BatchNorm2d(b),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(b * (height // 4) * (width // 4), hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, num_classes),
    )


def paper_mnist_cnn_plain(channels: int, height: int, width: int, num_classes: int) -> nn.Module:
    """The paper's MNIST classifier with nothing that the text does not name: no normalisation."""
    return nn.Sequential(
        nn.Conv2d(channels, 20, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(50 * (height // 4) * (width // 4), 500),
        nn.ReLU(),
        nn.Linear(500, num_classes),
    )


def small_strided(channels: int, height: int, width: int, num_classes: int) -> nn.Module:
    """A small fast classifier: strided convolutions of 16, 32 and 64 channels, no pooling.

    Strides instead of max pooling keep the double backward of the hypergradient cheap.
    """
    rows, columns = height, width
    for _ in range(3):
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * rows * columns, num_classes),
    )


def five_conv_cnn(channels: int, height: int, width: int, num_classes: int) -> nn.Module:
    """The paper's CIFAR-10 and ImageNet classifier, section 5: 5 convolutions of 3x3.

    32, 64, 128, 128 and 128 channels, each followed by 2x2 max pooling as long as there are two
    pixels to pool, then the mean over what is left and one linear layer, so any size will do. With
    BatchNorm, as everywhere in the published code.
    """
    layers: list[nn.Module] = []
    side = min(height, width)
    previous = channels
    for out in (32, 64, 128, 128, 128):
        layers += [nn.Conv2d(previous, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)]
        layers.append(nn.ReLU())
        if side >= 2:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        previous = out
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(previous, num_classes)
    )


VICTIMS: dict[str, VictimBuilder] = {
    "paper-mnist-cnn": paper_mnist_cnn,
    "paper-mnist-cnn-plain": paper_mnist_cnn_plain,
    "small-strided": small_strided,
    "five-conv-cnn": five_conv_cnn,
}


def build_victim(name: str, channels: int, height: int, width: int, num_classes: int) -> nn.Module:
    """A fresh victim with random weights from torch's global generator.

    Raises:
        ValueError: no victim of that name; the message lists those there are.
    """
    if name not in VICTIMS:
        raise ValueError(f"no victim named {name!r}; there are: {', '.join(VICTIMS)}")
    return VICTIMS[name](channels, height, width, num_classes)


def forget_running_statistics(victim: nn.Module) -> nn.Module:
    """Make every BatchNorm use the statistics of its batch only; returns the same module.

    The imaginary victim lives in train mode only, so its running statistics are never read. Without
    them its forward pass changes nothing, which `functional_call` and the derivative rely on.
    """
    for module in victim.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.track_running_stats = False
            module.running_mean = None
            module.running_var = None
            module.num_batches_tracked = None
    return victim

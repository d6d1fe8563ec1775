"""The names that owners may ask for: recipes, networks, counter-measures.

The engine has the things themselves. The API must not import it, so the names are written here
once more; a test holds both lists together.
"""

from typing import Final, Literal, get_args

Recipe = Literal["auto", "fast", "robust", "paper-mnist", "paper-cifar10", "paper-imagenet"]
Generator = Literal["encoder-decoder", "unet"]
Conditioning = Literal["none", "label"]
Untargeted = Literal["confuse", "leave"]
Augmentation = Literal["none", "crop", "crop-flip"]
Network = Literal[
    "paper-mnist-cnn",
    "paper-mnist-cnn-doubled",
    "paper-mnist-cnn-halved",
    "paper-mnist-cnn-plain",
    "five-conv-cnn",
    "small-strided",
    "resnet-8-narrow",
    "vgg-narrow",
    "vgg-11",
    "vgg-13",
    "vgg-16",
    "vgg-19",
    "resnet-18",
    "resnet-34",
    "resnet-50",
    "densenet-121",
    "densenet-169",
    "mobilenet-v2",
    "mobilenet-v3-small",
]
Classical = Literal["random-forest", "rbf-svm", "linear-svm"]
Countermeasure = Literal[
    "grayscale",
    "jpeg-50",
    "jpeg-10",
    "bit-depth-2",
    "blur",
    "cutout",
    "mixup",
    "cutmix",
    "class-mean-subtraction",
    "orthogonal-projection",
    "adversarial-training",
]
Control = Literal["random-noise", "class-patterns"]

COUNTERMEASURES: Final[tuple[Countermeasure, ...]] = get_args(Countermeasure)
# What acts on mini-batches, which victims that are no networks do not have.
_BATCH_WISE: Final = frozenset({"cutout", "mixup", "cutmix", "adversarial-training"})


def fitting_victim(
    shape: tuple[int, int, int], num_classes: int, n_train: int
) -> tuple[Network, int]:
    """The victim of an evaluation that names none, and its epochs, as the engine chooses them."""
    height, width, channels = shape
    epochs = max(3, min(30, -(-36_000 // max(n_train, 1))))
    if channels == 1 and max(height, width) <= 32 and num_classes <= 100:
        return "paper-mnist-cnn", epochs
    return "five-conv-cnn", 2 * epochs


def most_steps(
    recipe: Recipe, shape: tuple[int, int, int], conditioning: Conditioning | None, *, steers: bool
) -> int | None:
    """As many steps as a recipe trains at most, however large the budget; None: as it allows.

    0 where it draws what it needs.

    Args:
        recipe: its name.
        shape: (H, W, C) of the images.
        conditioning: what the owner asked for.
        steers: whether there is a label map.
    """
    small_and_gray = shape[2] == 1 and max(shape[:2]) <= 64
    if conditioning == "none" or steers:
        return None
    if small_and_gray and recipe in {"auto", "robust"}:
        return 400
    return 0 if shape[2] == 3 and recipe in {"auto", "fast"} else None


def is_applicable(name: Countermeasure, victim: Network | Classical, channels: int) -> bool:
    """Whether a counter-measure is tried, or left out because it means nothing there.

    Args:
        name: of the counter-measure.
        victim: who would try it.
        channels: of the images, 1 or 3.
    """
    if name == "grayscale" and channels == 1:
        return False
    return name not in _BATCH_WISE or victim not in get_args(Classical)

"""Good plans from what is known about the data. Importable without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.plan import Conditioning, PlanError, Surrogate, TrainingPlan, Untargeted

# Trials of the paper, section 5: the victim starts again this often.
_PAPER_TRIALS = 500


@dataclass(frozen=True)
class Data:
    """What a recipe is told about the data: (H, W, C), number of training images, classes."""

    shape: tuple[int, int, int]
    n_train: int
    num_classes: int


def recipe(
    name: str = "auto",
    *,
    shape: tuple[int, int, int],
    n_train: int,
    num_classes: int,
    epsilon: float | None = None,
    label_map: tuple[int, ...] | None = None,
    untargeted: Untargeted = "confuse",
    conditioning: Conditioning | None = None,
    seed: int = 0,
    budget_seconds: float = 120.0,
) -> TrainingPlan:
    """A plan by name, fitted to the data.

    Args:
        name: "paper-mnist", "paper-cifar10" and "paper-imagenet" are the paper's section 5: its
            generator without labels, its victim, its learning rates, 500 trials of one pass over
            the data each, however long that takes. "auto", "fast" and "robust" are ours and fit
            themselves into the budget: see there for which is for whom.
        shape: (H, W, C) of the images.
        n_train: number of training images.
        num_classes: K.
        epsilon: see `TrainingPlan`; None is the paper's, for the paper's recipes only.
        label_map: see `TrainingPlan`.
        untargeted: see `TrainingPlan`.
        conditioning: "label", which protects sooner, or "none", for a generator that needs no
            labels; None leaves it to the recipe.
        seed: see `TrainingPlan`.
        budget_seconds: wall-clock aim of the training.

    Raises:
        PlanError: unknown name, or values that no plan can have.
    """
    if name not in RECIPES:
        raise PlanError(f"no recipe named {name!r}; there are: {', '.join(RECIPES)}")
    if epsilon is None and name not in _PAPER_EPSILON:
        raise PlanError(f"the recipe {name!r} needs an epsilon")
    data = Data(shape, n_train, num_classes)
    plan = RECIPES[name](data)
    if plan.textures and (conditioning == "none" or label_map is not None):
        plan = _from_surrogates(data)  # textures belong to classes, and steer nobody anywhere
    plan = replace(
        plan,
        epsilon=plan.epsilon if epsilon is None else epsilon,
        label_map=label_map,
        untargeted=untargeted,
        seed=seed,
        budget_seconds=budget_seconds,
    )
    if conditioning is not None and conditioning != plan.conditioning:
        plan = replace(plan, conditioning=conditioning, patterns=0.0)
    plan.check_classes(num_classes)
    return plan


def paper_mnist(data: Data) -> TrainingPlan:
    """Section 5, MNIST: encoder-decoder, 2-convolution CNN, learning rate 0.01, batches of 64."""
    return _paper(data, "encoder-decoder", "paper-mnist-cnn", victim_lr=0.01, batch_size=64)


def paper_cifar10(data: Data) -> TrainingPlan:
    """Section 5, CIFAR-10: U-Net, 5-convolution CNN, learning rate 0.01, batches of 64."""
    plan = _paper(data, "unet", "five-conv-cnn", victim_lr=0.01, batch_size=64)
    return replace(plan, epsilon=_PAPER_EPSILON["paper-cifar10"])


def paper_imagenet(data: Data) -> TrainingPlan:
    """Section 5, ImageNet: encoder-decoder, 5-convolution CNN, learning rate 0.1, batches of 32."""
    plan = _paper(data, "encoder-decoder", "five-conv-cnn", victim_lr=0.1, batch_size=32)
    return replace(plan, epsilon=_PAPER_EPSILON["paper-imagenet"])


def auto(data: Data) -> TrainingPlan:
    """Ours, the default: `robust` for small gray images, for it costs little there, else `fast`.

    What survives compression on colour images costs more protection against a plain learner than a
    default should.
    """
    return robust(data) if _is_small_and_gray(data) else fast(data)


def fast(data: Data) -> TrainingPlan:
    """Ours: what leaves least to a learner who just trains.

    Small gray images: class patterns and surrogates' features first, Algorithm 2 on top. Colour
    images get class textures, drawn and not trained: they left victims of every family that was
    tried at chance, where Algorithm 2, which goes on from them if steps are asked for, protected
    less against victims other than its own. For large gray images, of which less is known, it goes
    on if the held-out part prefers what it makes.
    """
    if _is_small_and_gray(data):
        return _from_surrogates(data)
    return replace(
        _ours(data),
        textures=2.0,
        most_steps=0 if data.shape[2] == 3 else None,
        victims=("five-conv-cnn",),
        augmentation="crop-flip",
    )


def robust(data: Data) -> TrainingPlan:
    """Ours: what leaves least to the learner who gets most, whatever counter-measure that takes.

    Small gray images carry textures beside their patterns, and are trained for a short time only: a
    plain learner is left at chance instead of below it, and so are those who take class means or
    linear directions away. A longer training puts more and more into what a class has in common,
    where averaging finds it. Colour images do without textures, which those wipe out who turn their
    images gray, blur or recompress them.
    """
    plan = _from_surrogates(data)
    if _is_small_and_gray(data):
        return replace(plan, textures=4.0, most_steps=400)
    return plan


def _from_surrogates(data: Data) -> TrainingPlan:
    """Class patterns and surrogates' features first, Algorithm 2 on top where it pays."""
    plan = replace(_ours(data), patterns=10.0, warm_start="surrogates")
    if _is_small_and_gray(data):
        return replace(
            plan,
            victims=("small-strided", "paper-mnist-cnn-plain", "paper-mnist-cnn", "small-strided"),
            population=4,
            lifetime=400,
            surrogates=_SMALL_SURROGATES,
            renewals=_SMALL_RENEWALS,
            warm_fraction=0.2,
        )
    return replace(
        plan,
        victims=("five-conv-cnn",),
        surrogates=_COLOUR_SURROGATES,
        augmentation="crop-flip",
        warm_fraction=1.0,
    )


def _ours(data: Data) -> TrainingPlan:
    side = max(data.shape[:2])
    return TrainingPlan(
        epsilon=_PAPER_EPSILON["paper-mnist"],
        conditioning="label",
        judge=choose_victims(data.shape, data.num_classes, data.n_train)[0][0],
        outer_loss="steered",
        # A selection trains a judge, which costs as much as a hundred steps of training.
        selections=2,
        batch_size=min(64 if side <= 64 else 32, max(2, data.n_train // 2)),
    )


def _is_small_and_gray(data: Data) -> bool:
    return data.shape[2] == 1 and max(data.shape[:2]) <= 64


_SMALL_SURROGATES = (
    Surrogate("small-strided", 38),
    Surrogate("paper-mnist-cnn-plain", 63),
    Surrogate("small-strided", 151),
    Surrogate("paper-mnist-cnn-plain", 202),
    Surrogate("small-strided", 57, 2 / 3),
    Surrogate("paper-mnist-cnn-plain", 120, 1 / 2),
)
_SMALL_RENEWALS = (
    Surrogate("small-strided", 60),
    Surrogate("paper-mnist-cnn-plain", 60),
    Surrogate("small-strided", 100, 1 / 2),
    Surrogate("small-strided", 150),
)
_COLOUR_SURROGATES = (
    Surrogate("five-conv-cnn", 800),
    Surrogate("five-conv-cnn", 400, 1 / 2),
    Surrogate("small-strided", 400),
)

RECIPES: dict[str, Callable[[Data], TrainingPlan]] = {
    "auto": auto,
    "fast": fast,
    "robust": robust,
    "paper-mnist": paper_mnist,
    "paper-cifar10": paper_cifar10,
    "paper-imagenet": paper_imagenet,
}
_PAPER_EPSILON = {"paper-mnist": 0.3, "paper-cifar10": 0.032, "paper-imagenet": 0.1}


def _paper(
    data: Data, generator: str, victim: str, *, victim_lr: float, batch_size: int
) -> TrainingPlan:
    batch_size = min(batch_size, max(2, data.n_train // 2))
    # A trial is one pass over the images that are not held out.
    steps_per_trial = max(1, round(0.9 * data.n_train) // batch_size)
    return TrainingPlan(
        epsilon=_PAPER_EPSILON["paper-mnist"],
        generator=generator,
        conditioning="none",
        victims=(victim,),
        judge=victim,
        steps=_PAPER_TRIALS * steps_per_trial,
        steps_per_trial=steps_per_trial,
        batch_size=batch_size,
        generator_lr=1e-4,
        schedule="constant",
        victim_lr=victim_lr,
        outer_loss="cross-entropy",
        warm_start="none",
        selections=50,
    )


def choose_victims(
    shape: tuple[int, int, int], num_classes: int, n_train: int
) -> list[tuple[str, int]]:
    """Victims and their epochs for a default evaluation: (name, epochs), strongest claim first.

    Args:
        shape: (H, W, C) of the images.
        num_classes: K.
        n_train: number of training images.
    """
    height, width, channels = shape
    # A few thousand mini-batches of 64 at least, as far as tens of epochs give them.
    epochs = max(3, min(30, -(-36_000 // max(n_train, 1))))
    if channels == 1 and max(height, width) <= 32 and num_classes <= 100:
        return [("paper-mnist-cnn", epochs)]
    return [("five-conv-cnn", 2 * epochs)]

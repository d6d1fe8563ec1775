"""Good plans from what is known about the data. Importable without torch."""

from __future__ import annotations

from engine.plan import PlanError, TrainingPlan


def recipe(
    name: str = "auto",
    *,
    shape: tuple[int, int, int],
    n_train: int,
    num_classes: int,
    epsilon: float,
    label_map: tuple[int, ...] | None = None,
    seed: int = 0,
    budget_seconds: float = 120.0,
) -> TrainingPlan:
    """A plan by name.

    Args:
        name: "auto" or "fast", which are the same for now.
        shape: (H, W, C) of the images.
        n_train: number of training images.
        num_classes: K.
        epsilon: see `TrainingPlan`.
        label_map: see `TrainingPlan`.
        seed: see `TrainingPlan`.
        budget_seconds: wall-clock aim of the training.

    Raises:
        PlanError: unknown name, or values that no plan can have.
    """
    if name not in ("auto", "fast"):
        raise PlanError(f"no recipe named {name!r}; there are: auto, fast")
    height, width, _ = shape
    small = max(height, width) <= 64
    plan = TrainingPlan(
        epsilon=epsilon,
        label_map=label_map,
        seed=seed,
        budget_seconds=budget_seconds,
        victims=(
            ("small-strided", "paper-mnist-cnn-plain", "paper-mnist-cnn", "small-strided")
            if small
            else ("five-conv-cnn",)
        ),
        judge=choose_victims(shape, num_classes, n_train)[0][0],
        outer_loss="steered",
        warm_start="surrogates",
        surrogates=("small-strided", "paper-mnist-cnn-plain") if small else ("five-conv-cnn",),
        # A selection trains a judge, which costs as much as a hundred steps of training.
        selections=2,
        batch_size=min(64 if small else 32, max(2, n_train // 2)),
    )
    plan.check_classes(num_classes)
    return plan


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

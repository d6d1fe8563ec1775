"""What to train and for how long: plain values, importable without torch.

A plan is frozen and made of numbers and names only, so it can be stored as JSON beside a job and
give the same training again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Conditioning = Literal["none", "label"]
OuterLoss = Literal["cross-entropy", "bounded", "steered"]
WarmStart = Literal["none", "surrogates", "first-order"]
Untargeted = Literal["confuse", "leave"]
Schedule = Literal["constant", "cosine"]
Augmentation = Literal["none", "crop", "crop-flip"]
_CHOICES: dict[str, tuple[str, ...]] = {
    "conditioning": get_args(Conditioning),
    "outer_loss": get_args(OuterLoss),
    "warm_start": get_args(WarmStart),
    "untargeted": get_args(Untargeted),
    "schedule": get_args(Schedule),
    "augmentation": get_args(Augmentation),
}


class PlanError(ValueError):
    """A plan, or data given beside it, that cannot be trained on. The message says what to do."""


class TrainingStopped(Exception):
    """For `on_progress` to raise, to stop a training: nothing in engine catches it."""


def integer_bound(epsilon: float) -> int:
    """Most that a pixel of an 8-bit image may move: floor(255 * epsilon), in units of 1/255.

    A hair is added before the floor, because 8/255 times 255 may come out as 7.999...: an owner
    who wrote 8/255 gets 8.

    Raises:
        PlanError: epsilon is not a number in (0, 1].
    """
    if not (math.isfinite(epsilon) and 0.0 < epsilon <= 1.0):
        raise PlanError(f"epsilon must be above 0 and at most 1, not {epsilon!r}")
    return math.floor(255.0 * epsilon + 1e-9)


@dataclass(frozen=True)
class Surrogate:
    """A classifier of the warm start, to be trained on clean images.

    Attributes:
        victim: name in `engine.victims.VICTIMS`.
        steps: mini-batches it learns for; fewer where the whole training is short.
        strength: of the noise it is trained against, in units of epsilon; 0 is plain training.
    """

    victim: str
    steps: int
    strength: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise PlanError(f"a surrogate needs at least 1 step, not {self.steps!r}")
        if not (math.isfinite(self.strength) and self.strength >= 0.0):
            raise PlanError(f"a surrogate's strength must be at least 0, not {self.strength!r}")


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides the outcome of a training, apart from the data.

    Attributes:
        epsilon: bound on every pixel's change, of the range [0, 1]; at least 1/255.
        label_map: eta of equation (6), class index -> class index. None is equation (4). A class
            mapped to itself is not targeted.
        untargeted: what becomes of classes that are not targeted beside others that are: "confuse"
            treats them under equation (4), "leave" keeps their own label as eta does under (6).
        seed: decides the split, the mini-batches, every initial weight and, with the images
            themselves, the textures.
        budget_seconds: wall-clock aim of the whole training. See `engine.train_generator`.
        steps: number of training steps; None derives it from the budget and the measured speed.
        most_steps: as many at most, however large the budget; None has no such bound. 0 leaves an
            untrained generator as it is, which must then start protected.
        generator: name in `engine.generators.GENERATORS`.
        conditioning: "none" is the paper's g(x); "label" is g(x, y), for owners who have labels.
        patterns: what a label-conditioned generator's pattern of class y starts from, in multiples
            of the difference between the mean image of the class whose features y is to carry and
            y's own mean image. 0 starts from nothing.
        textures: weight, before the tanh, of the autoregressive textures that the classes start
            from (`engine.autoregressive`): from 2 on they take up the whole of epsilon. 0: there
            are no textures.
        width: channels of the generator's first convolution (the paper: 16), doubled at each.
        victims: names in `engine.victims.VICTIMS` of the imaginary victims; they take turns, one a
            trial. The paper has one.
        population: how many imaginary victims there are at a time, of mixed ages; see
            `engine.population`. The paper has one.
        lifetime: mini-batches after which the oldest of them starts again; 0 is one trial, as in
            the paper.
        judge: name of the fresh victim that scores a trial on the held-out part.
        steps_per_trial: mini-batches until the frozen generator is renewed and, in the paper, the
            imaginary victim starts again from random weights.
        batch_size: images in a mini-batch.
        generator_lr: peak learning rate of the generator's Adam.
        schedule: of that rate: "constant" (the paper), or "cosine" down to a twentieth.
        victim_lr: alpha, the imaginary victim's learning rate (plain SGD).
        outer_loss: how g ascends for a class that is not targeted. "cross-entropy" is the paper's
            L(f(x), y); "bounded" descends -log(1 - p_y), which does not run away; "steered"
            descends L(f(x), next class), as under (6), if no class is targeted; else it is
            "bounded".
        warm_start: what comes before Algorithm 2. "none" is the paper; "surrogates" is
            `engine.warm_start`; "first-order" lets g help the victim to fit the protected images.
        warm_fraction: share of the steps that the warm start takes.
        surrogates: classifiers of the warm start, which take turns, one a mini-batch.
        renewals: who takes a surrogate's place before each trial of the warm start but the first,
            in turns. What g learns from the same few classifiers for long fools only them.
        augmentation: what is done to images before a surrogate sees them, clean or protected.
        keep_surrogates: go on with the surrogates' objective beside the bilevel one, both at unit
            length at the image. Without it Algorithm 2 soon forgets the warm start.
        held_out: share of the images kept from the training to choose the best trial on.
        selections: how many trials are scored on the held-out part.
    """

    epsilon: float
    label_map: tuple[int, ...] | None = None
    untargeted: Untargeted = "confuse"
    seed: int = 0
    budget_seconds: float = 120.0
    steps: int | None = None
    most_steps: int | None = None
    generator: str = "encoder-decoder"
    conditioning: Conditioning = "label"
    patterns: float = 0.0
    textures: float = 0.0
    width: int = 16
    victims: tuple[str, ...] = ("small-strided",)
    population: int = 1
    lifetime: int = 0
    judge: str = "paper-mnist-cnn"
    steps_per_trial: int = 50
    batch_size: int = 64
    generator_lr: float = 1e-3
    schedule: Schedule = "cosine"
    victim_lr: float = 0.05
    outer_loss: OuterLoss = "cross-entropy"
    warm_start: WarmStart = "none"
    warm_fraction: float = 0.6
    surrogates: tuple[Surrogate, ...] = (Surrogate("small-strided", 200),)
    renewals: tuple[Surrogate, ...] = ()
    augmentation: Augmentation = "none"
    keep_surrogates: bool = True
    held_out: float = 0.1
    selections: int = 4

    def __post_init__(self) -> None:
        if integer_bound(self.epsilon) < 1:
            raise PlanError(
                f"epsilon {self.epsilon!r} is below 1/255: an 8-bit image would not change"
            )
        positive = ("steps_per_trial", "batch_size", "generator_lr", "victim_lr", "width")
        for name in positive:
            if not getattr(self, name) > 0:
                raise PlanError(f"{name} must be above 0, not {getattr(self, name)!r}")
        if not (math.isfinite(self.budget_seconds) and self.budget_seconds > 0):
            raise PlanError(f"budget_seconds must be above 0, not {self.budget_seconds!r}")
        if self.steps is not None and self.steps < 1:
            raise PlanError(f"steps must be at least 1, not {self.steps!r}")
        least = 0 if self.starts_protected else 1
        if self.most_steps is not None and self.most_steps < least:
            raise PlanError(f"most_steps must be at least {least}, not {self.most_steps!r}")
        if not 0.0 <= self.warm_fraction <= 1.0:
            raise PlanError(f"warm_fraction must be in [0, 1], not {self.warm_fraction!r}")
        if not self.victims or self.population < 1:
            raise PlanError("at least one imaginary victim is needed")
        if self.lifetime < 0:
            raise PlanError(f"lifetime must be at least 0, not {self.lifetime!r}")
        if self.warm_start == "surrogates" and not self.surrogates:
            raise PlanError("a warm start from surrogates needs at least one")
        if not 0.0 < self.held_out < 1.0:
            raise PlanError(f"held_out must be in (0, 1), not {self.held_out!r}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise PlanError(
                    f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}"
                )
        for name in ("patterns", "textures"):
            weight = getattr(self, name)
            if not (math.isfinite(weight) and weight >= 0.0):
                raise PlanError(f"{name} must be at least 0, not {weight!r}")
            if weight and self.conditioning != "label":
                raise PlanError(f"{name} belong to classes: they need conditioning 'label'")
        if self.selections < 1:
            raise PlanError(f"selections must be at least 1, not {self.selections!r}")
        if self.label_map is not None and all(a == b for a, b in enumerate(self.label_map)):
            raise PlanError("label_map sends every class to itself: nothing is targeted")

    @property
    def surrogate_steps(self) -> int:
        """Steps of all surrogates that are there from the start."""
        return sum(one.steps for one in self.surrogates)

    @property
    def starts_protected(self) -> bool:
        """Whether a generator protects before it is trained: by textures and nothing else."""
        return self.textures > 0.0 and self.patterns == 0.0 and self.warm_start == "none"

    def check_classes(self, num_classes: int) -> None:
        """Raise PlanError unless the label map names exactly the classes 0 .. num_classes - 1."""
        if num_classes < 2:
            raise PlanError(f"at least 2 classes are needed, not {num_classes}")
        if self.label_map is None:
            return
        if len(self.label_map) != num_classes:
            raise PlanError(
                f"label_map has {len(self.label_map)} entries for {num_classes} classes"
            )
        for source, target in enumerate(self.label_map):
            if not 0 <= target < num_classes:
                raise PlanError(f"label_map sends class {source} to {target}, which does not exist")

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values; `from_json` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingPlan:
        """A plan from `to_json`. Unknown names are an error, so that no setting is lost unseen."""
        fields = dict(values)
        if fields.get("label_map") is not None:
            fields["label_map"] = tuple(int(k) for k in fields["label_map"])
        if "victims" in fields:
            fields["victims"] = tuple(fields["victims"])
        for name in ("surrogates", "renewals"):
            if name in fields:
                fields[name] = tuple(Surrogate(**one) for one in fields[name])
        return cls(**fields)


@dataclass(frozen=True)
class Progress:
    """Where a long call stands; handed to `on_progress` at least once a second.

    Attributes:
        phase: "measuring", "warming" (surrogates of the warm start learn), "training", "selecting",
            "protecting" or "evaluating".
        step: steps done (training), images done (protecting) or mini-batches done (evaluating).
        steps: how many there will be; 0 while that is not known yet, or if there are none.
        fraction: share of the whole call that is done, 0 to 1, never falling.
        seconds: wall-clock time spent in this call; a resumed training counts from its first start.
        metrics: current figures by name, such as "victim_loss" or "held_out_accuracy" (percent).
    """

    phase: str
    step: int
    steps: int
    fraction: float
    seconds: float
    metrics: dict[str, float]

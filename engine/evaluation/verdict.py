"""Says in words what an evaluation shows, also when it shows that the data is not protected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Share of what training gains over chance that protection must take away to be called protection.
_MUST_REMOVE = 0.8
_MIN_TEST_IMAGES = 100


@dataclass(frozen=True)
class WorstCase:
    """The learner who got most out of the protected images, of all that were tried.

    Attributes:
        learner: in words, such as "resnet-18 with grayscale".
        accuracy: its mean clean-test accuracy, in percent.
        tried: how many ways of learning from the protected images were tried, the plain one too.
        countermeasures: whether there was a counter-measure among them, not only several victims.
    """

    learner: str
    accuracy: float
    tried: int
    countermeasures: bool = True


@dataclass(frozen=True)
class FreeControl:
    """A perturbation of the same bound that costs nothing; accuracies are means in percent.

    Attributes:
        name: in words, such as "a fixed random pattern per class".
        accuracy: clean-test accuracy after plain training under it.
        worst: the highest over plain training and the counter-measures; None if none were tried.
        trained_worst: the same for the trained perturbation, by the same learners.
    """

    name: str
    accuracy: float
    worst: float | None = None
    trained_worst: float | None = None


@dataclass(frozen=True)
class OtherClasses:
    """Classes that are not protected, beside those that are; accuracies are means in percent.

    Attributes:
        protected: how many classes are protected.
        clean: accuracy on test images of the others, after training on the clean images.
        after: the same after training on what is published.
    """

    protected: int
    clean: float
    after: float


@dataclass(frozen=True)
class Verdict:
    """What an evaluation shows.

    Attributes:
        protects: against a learner who does nothing special; None where that cannot be told.
        summary: in words.
        withstands: the same against every way of learning that was tried; None where that cannot
            be told, or nothing but plain training was tried.
    """

    protects: bool | None
    summary: str
    withstands: bool | None = None


def judge(
    baseline: float,
    protected: float,
    chance: float,
    test_images: int,
    targeted: float | None,
    *,
    worst: WorstCase | None = None,
    controls: Sequence[FreeControl] = (),
    remainder: float | None = None,
    others: OtherClasses | None = None,
) -> Verdict:
    """Judge one protected dataset by fresh victims on the clean test images.

    Where only some classes are protected, every figure but `others` is of their test images.

    Args:
        baseline: mean clean-test accuracy after training on the clean images, in percent.
        protected: the same after training on the protected images, in percent.
        chance: accuracy of always answering the largest class, in percent.
        test_images: how many clean images the accuracies were measured on.
        targeted: targeted success rate in percent, or None without a label map.
        worst: the learner who got most out of the protected images; None if only plain training
            was tried.
        controls: perturbations that cost nothing; those that do as well are named.
        remainder: accuracy in percent of a learner who leaves the protected images out and trains
            on the rest; None if there is no rest. It is told, and does not count against the
            perturbation: what it teaches is not protected.
        others: what is learned of classes that are not protected; None if all are. It is told, and
            does not count against the perturbation: they were to stay as they are.
    """
    which = ""
    if others is not None:
        plural = "es" if others.protected > 1 else ""
        which = f" of the {others.protected} protected class{plural}"
    figures = (
        f"Trained on the clean images, a fresh classifier reaches {baseline:.1f} % on clean test "
        f"images{which}; trained on the protected ones, {protected:.1f} % (chance is "
        f"{chance:.1f} %, measured on {test_images} images, give or take "
        f"{_margin(protected, test_images):.1f})."
    )
    if targeted is not None:
        figures += (
            f" Of the test images of classes that another one was chosen for, {targeted:.1f} % get "
            "the chosen label."
        )
    if remainder is not None:
        figures += (
            f" A learner who leaves the protected images out and trains on the rest, which is "
            f"published as it is, reaches {remainder:.1f} %."
        )
    if others is not None:
        figures += (
            " Of the test images of the other classes, which are not protected, it gets "
            f"{others.after:.1f} % right, and {others.clean:.1f} % after the clean images."
        )
    gain = baseline - chance
    if test_images < _MIN_TEST_IMAGES or gain < 2 * _margin(baseline, test_images):
        return Verdict(
            None,
            "This evaluation cannot tell whether the data is protected: "
            + (
                f"{test_images} test images are too few. "
                if test_images < _MIN_TEST_IMAGES
                else "even clean images teach the classifier hardly more than chance. "
            )
            + figures,
        )
    allowed = chance + (1 - _MUST_REMOVE) * gain
    figures += _controls_in_words(controls, protected, test_images)
    if protected > allowed:
        most = ""
        if worst is not None and worst.accuracy > protected:
            most = f" Of the {worst.tried} ways of learning that were tried, {worst.learner} "
            most += f"recovers most, {worst.accuracy:.1f} %."
        return Verdict(
            False,
            "Protection is NOT demonstrated: do not rely on this dataset being useless to a "
            "learner. A larger epsilon or a larger budget may help. " + figures + most,
            None if worst is None else False,
        )
    if worst is None or not worst.countermeasures:
        figures += (
            " No counter-measure was tried: a learner who recompresses, blurs or otherwise changes "
            "the images may get more out of them."
        )
    if worst is None:
        return Verdict(
            True,
            "Against a learner who does nothing special, protection is demonstrated. " + figures,
        )
    if worst.accuracy <= allowed:
        return Verdict(
            True,
            f"Protection is demonstrated, also against the {worst.tried} ways of learning that "
            f"were tried: the best of them, {worst.learner}, reaches {worst.accuracy:.1f} %. "
            + figures,
            True,
        )
    return Verdict(
        True,
        "Against a learner who does nothing special, protection is demonstrated; "
        f"{worst.learner} recovers {worst.accuracy:.1f} %, the most of the {worst.tried} ways of "
        "learning that were tried. Expect it to cost a determined learner effort, not to stop one. "
        + figures,
        False,
    )


def _controls_in_words(controls: Sequence[FreeControl], protected: float, test_images: int) -> str:
    """A sentence for each control that does as well as the protection, within the margin."""
    words = ""
    for control in controls:
        if control.accuracy <= protected + _margin(protected, test_images):
            words += (
                f" With {control.name}, which costs nothing, it is {control.accuracy:.1f} %: "
                "training the generator gained nothing over that."
            )
        if control.worst is None or control.trained_worst is None:
            continue
        if control.worst <= control.trained_worst + _margin(control.trained_worst, test_images):
            words += (
                f" With counter-measures, a learner gets {control.worst:.1f} % at most past "
                f"{control.name}, and {control.trained_worst:.1f} % past the trained perturbation: "
                "nothing gained there."
            )
    return words


def _margin(accuracy: float, n: int) -> float:
    """Half the width of a 95 % interval of an accuracy in percent (Agresti-Coull)."""
    p = (accuracy / 100 * n + 2) / (n + 4)
    return 100 * 1.96 * math.sqrt(p * (1 - p) / (n + 4))

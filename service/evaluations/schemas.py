"""What an evaluation says, with the unit of every figure."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from core import tables
from service.datasets import schemas as datasets
from service.jobs import schemas as jobs

Side = Literal["clean", "protected", "remainder", "random-noise", "class-patterns"]


class Spread(BaseModel):
    """Over the seeds, in percent."""

    mean: float
    std: float | None = Field(description="Sample standard deviation; null for a single seed.")


class Row(BaseModel):
    """One way of learning from one form of the training images, over all seeds."""

    model_config = ConfigDict(extra="allow")

    trained_on: Side = Field(
        description="The original images, the protected ones, only the unprotected `remainder` of "
        "them, or a perturbation of the same bound that costs nothing."
    )
    victim: str = Field(description="Which classifier.")
    countermeasure: str = Field(description="What the learner tried; `none` is plain training.")
    augmentation: str | None = Field(
        default=None, description="What was done to images while it learned."
    )
    epochs: int | None = Field(default=None, description="Passes over the images.")
    seeds: list[int] | None = Field(default=None, description="Of its trainings.")
    accuracies: list[float] | None = Field(
        default=None, description="Clean-test accuracy of each training, in percent."
    )
    accuracy: Spread = Field(description="Clean-test accuracy after the last epoch.")
    best_epoch_accuracy: Spread = Field(description="The best of any epoch.")
    targeted_success: Spread | None = Field(
        description="With a label map: share of the test images taken for the class it chose."
    )


class Skipped(BaseModel):
    """Something that was asked for and means nothing for these images or this classifier."""

    victim: str = Field(description="Which classifier was to try it.")
    countermeasure: str = Field(description="What it was to try; `none` is plain training.")
    reason: str = Field(description="Why it was left out, in words.")


class Verdict(BaseModel):
    """What the figures mean."""

    protects: bool | None = Field(
        description="Whether protection is demonstrated; null if the evaluation cannot tell."
    )
    summary: str = Field(description="The same in words, with the figures.")
    withstands: bool | None = Field(
        default=None,
        description="Whether it also holds against every counter-measure that was tried; null if "
        "none was, or the evaluation cannot tell.",
    )


class Victim(BaseModel):
    """One classifier, trained from scratch on one side and tested on clean test images."""

    model_config = ConfigDict(extra="allow")

    victim: str = Field(description="Which classifier.")
    seed: int = Field(description="Seed of its training.")
    side: Side = Field(description="Which images it was trained on.")
    countermeasure: str = Field(default="none", description="What the learner tried.")
    accuracy: float = Field(description="Clean-test accuracy after the last epoch, in percent.")
    best_epoch_accuracy: float = Field(
        description="The best clean-test accuracy after any epoch, in percent: what somebody with "
        "clean test images could pick."
    )
    confusion: list[list[int]] = Field(
        description="Test images by true class (row) and predicted class (column)."
    )
    curve: list[float] = Field(description="Clean-test accuracy after each epoch, in percent.")
    augmentation: str | None = Field(
        default=None, description="What was done to images while it learned."
    )
    epochs: int | None = Field(default=None, description="Passes over the images.")
    train_accuracy: float | None = Field(
        default=None, description="Accuracy on the images it learned from, in percent."
    )
    train_curve: list[float] | None = Field(
        default=None, description="The same over each epoch, in percent."
    )
    seconds: float | None = Field(default=None, description="How long the training took.")


class Evaluation(BaseModel):
    """What a fresh classifier learns from the protected dataset, beside the original one."""

    model_config = ConfigDict(extra="allow")

    object: Literal["evaluation"] = "evaluation"
    job_id: str = Field(description="The job or the evaluation that measured it.")
    baseline_accuracy: float = Field(
        description="Clean-test accuracy of classifiers trained on the original, in percent."
    )
    protected_accuracy: float = Field(
        description="Clean-test accuracy of classifiers trained on the protected, in percent."
    )
    worst_accuracy: float | None = Field(
        default=None,
        description="The same of the learner who got most out of the protected images, of all "
        "that were tried, in percent: the headline.",
    )
    worst_learner: str | None = Field(default=None, description="Who that was, in words.")
    best_epoch_protected_accuracy: float | None = Field(
        default=None,
        description="As `protected_accuracy`, but the best of any epoch: what a learner gets who "
        "stops at the right moment.",
    )
    targeted_success: float | None = Field(
        description="With a label map: share of clean test images that classifiers trained on the "
        "protected dataset take for the class the map chose, in percent."
    )
    chance_accuracy: float = Field(
        description="Accuracy of always answering the most frequent class, in percent."
    )
    verdict: Verdict
    linf: int = Field(description="Largest change of any pixel in the written files, in 1/255.")
    max_change: int | None = Field(
        default=None, description="The most it may be: floor(255 * epsilon), in 1/255."
    )
    protected_images: int | None = Field(
        default=None, description="How many training images are protected."
    )
    psnr_db: float | None = Field(
        description="Peak signal-to-noise ratio of protected to original images, in decibels; "
        "null if nothing changed."
    )
    epsilon: float = Field(description="The bound asked for; 1 is the whole pixel range.")
    seconds_training: float | None = Field(
        description="Training time of the generator, in seconds; null if that is not known here."
    )
    seconds_total: float = Field(
        description="From the job's start to its results, pauses left out, in seconds."
    )
    test_images: int = Field(description="Clean test images behind each accuracy.")
    judged_classes: list[int] | None = Field(
        default=None,
        description="The classes that headline and verdict are about, where some are not "
        "protected; null is all.",
    )
    rows: list[Row] = Field(default=[], description="Every way of learning that was tried.")
    skipped: list[Skipped] = Field(
        default=[], description="What was asked for and left out, and why."
    )
    victims: list[Victim] = Field(description="Every single training.")
    classes: list[str] = Field(description="Class names in label order.")
    label_map: list[int] | None = Field(
        default=None,
        description="Label that each class was to be mistaken for, in label order; null without a "
        "label map.",
    )
    plan: dict[str, Any] | None = Field(
        default=None, description="How the generator was trained; its parts may change."
    )
    training: dict[str, Any] | None = Field(
        default=None, description="How that training went; its parts may change."
    )

    @classmethod
    def of(cls, row: tables.Job) -> Self:
        """The public view of a job's evaluation."""
        assert row.evaluation is not None
        return cls.model_validate({**row.evaluation, "job_id": row.id})


EXAMPLE = Evaluation(
    job_id=jobs.SUCCEEDED.id,
    baseline_accuracy=99.1,
    protected_accuracy=4.2,
    targeted_success=None,
    chance_accuracy=53.7,
    verdict=Verdict(
        protects=True,
        summary="Against a learner who does nothing special, protection is demonstrated; "
        "paper-mnist-cnn with jpeg-10 recovers 31.4 %, the most of the 2 ways of learning that "
        "were tried. Expect it to cost a determined learner effort, not to stop one. Trained on "
        "the clean images, a fresh classifier reaches 99.1 % on clean test images; trained on the "
        "protected ones, 4.2 %.",
        withstands=False,
    ),
    worst_accuracy=31.4,
    worst_learner="paper-mnist-cnn with jpeg-10",
    best_epoch_protected_accuracy=11.8,
    linf=76,
    max_change=76,
    protected_images=12_665,
    psnr_db=14.6,
    epsilon=0.3,
    seconds_training=100.2,
    seconds_total=171.5,
    test_images=2115,
    rows=[
        Row(
            trained_on="protected",
            victim="paper-mnist-cnn",
            countermeasure="jpeg-10",
            accuracy=Spread(mean=31.4, std=None),
            best_epoch_accuracy=Spread(mean=40.2, std=None),
            targeted_success=None,
            augmentation="none",
            epochs=3,
            seeds=[0],
            accuracies=[31.4],
        )
    ],
    skipped=[
        Skipped(
            victim="paper-mnist-cnn",
            countermeasure="grayscale",
            reason="grayscale leaves images of one channel as they are",
        )
    ],
    victims=[
        Victim(
            victim="paper-mnist-cnn",
            seed=0,
            side="clean",
            accuracy=99.1,
            best_epoch_accuracy=99.2,
            confusion=[[972, 8], [11, 1124]],
            curve=[97.9, 99.2, 99.1],
        ),
        Victim(
            victim="paper-mnist-cnn",
            seed=0,
            side="protected",
            accuracy=4.2,
            best_epoch_accuracy=11.8,
            confusion=[[31, 949], [1077, 58]],
            curve=[11.8, 6.0, 4.2],
        ),
    ],
    classes=datasets.READY.classes or [],
)

"""What an evaluation says, with the unit of every figure."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from core import tables
from service.datasets import schemas as datasets
from service.jobs import schemas as jobs


class Verdict(BaseModel):
    """What the figures mean."""

    protects: bool | None = Field(
        description="Whether protection is demonstrated; null if the evaluation cannot tell."
    )
    summary: str = Field(description="The same in words, with the figures.")


class Victim(BaseModel):
    """One classifier, trained from scratch on one side and tested on clean test images."""

    model_config = ConfigDict(extra="allow")

    victim: str = Field(description="Which classifier.")
    seed: int = Field(description="Seed of its training.")
    side: Literal["clean", "protected"] = Field(description="Which images it was trained on.")
    accuracy: float = Field(description="Clean-test accuracy after the last epoch, in percent.")
    best_epoch_accuracy: float = Field(
        description="The best clean-test accuracy after any epoch, in percent: what somebody with "
        "clean test images could pick."
    )
    confusion: list[list[int]] = Field(
        description="Test images by true class (row) and predicted class (column)."
    )
    curve: list[float] = Field(description="Clean-test accuracy after each epoch, in percent.")


class Evaluation(BaseModel):
    """What a fresh classifier learns from the protected dataset, beside the original one."""

    model_config = ConfigDict(extra="allow")

    object: Literal["evaluation"] = "evaluation"
    job_id: str
    baseline_accuracy: float = Field(
        description="Clean-test accuracy of classifiers trained on the original, in percent."
    )
    protected_accuracy: float = Field(
        description="Clean-test accuracy of classifiers trained on the protected, in percent."
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
    psnr_db: float | None = Field(
        description="Peak signal-to-noise ratio of protected to original images, in decibels; "
        "null if nothing changed."
    )
    epsilon: float = Field(description="The bound asked for; 1 is the whole pixel range.")
    seconds_training: float = Field(description="Training time of the generator, in seconds.")
    seconds_total: float = Field(
        description="From the job's start to its results, pauses left out, in seconds."
    )
    test_images: int = Field(description="Clean test images behind each accuracy.")
    victims: list[Victim]
    classes: list[str] = Field(description="Class names in label order.")

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
        summary="Protection is demonstrated for these victims. Trained on the clean images, a "
        "fresh classifier reaches 99.1 % on clean test images; trained on the protected ones, "
        "4.2 %.",
    ),
    linf=76,
    psnr_db=14.6,
    epsilon=0.3,
    seconds_training=100.2,
    seconds_total=171.5,
    test_images=2115,
    victims=[
        Victim(
            victim="paper_cnn",
            seed=0,
            side="clean",
            accuracy=99.1,
            best_epoch_accuracy=99.2,
            confusion=[[972, 8], [11, 1124]],
            curve=[97.9, 99.2, 99.1],
        ),
        Victim(
            victim="paper_cnn",
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

"""What can be wrong with what is asked of a generator."""

from core.problem import Refused
from service.kit.problems import Conflict


def generator_not_found() -> Refused:
    return Refused(
        "generator_not_found",
        "There is no such generator. GET /v1/generators lists yours.",
        status=404,
    )


def generator_in_use() -> Conflict:
    return Conflict(
        "generator_in_use",
        "A job that protects with this generator has not ended. Cancel it, or wait.",
    )


def classes_differ() -> Refused:
    return Refused(
        "classes_differ",
        "The generator was trained on other classes and needs to know them. Upload the images "
        "under the same class names, in the same order, or train a generator with conditioning "
        "none and without a label map.",
        "dataset_id",
    )


def channels_differ(trained: int, given: int) -> Refused:
    return Refused(
        "channels_differ",
        f"The generator was trained on images of {trained} channel(s), these have {given}.",
        "dataset_id",
    )

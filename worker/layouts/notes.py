"""Sentences for the owner that both layouts share."""

from worker.layouts.split import TEST_SHARE


def given_note() -> str:
    """The upload has a test split."""
    return (
        "The test images come back as they were uploaded, unprotected: they measure the effect. "
        "Do not publish them with their labels."
    )


def cut_note(count: int) -> str:
    """The test split was cut, `count` images."""
    return (
        f"The upload has no test split: one image in {TEST_SHARE} of each class ({count} in all, "
        "at least one a class) was set aside to measure the effect. In the written dataset all "
        "images are protected."
    )

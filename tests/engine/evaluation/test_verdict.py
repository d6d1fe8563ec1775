"""The verdict says what the figures say, also when they say nothing or the wrong thing."""

import pytest

from engine.evaluation.verdict import FreeControl, OtherClasses, WorstCase, judge


@pytest.mark.parametrize(
    ("baseline", "protected", "chance", "test_images", "protects"),
    [
        (98.0, 3.0, 10.0, 2000, True),
        (98.0, 10.0, 10.0, 2000, True),
        (98.0, 27.0, 10.0, 2000, True),  # four fifths of the gain over chance are gone
        (98.0, 30.0, 10.0, 2000, False),
        (98.0, 97.0, 10.0, 2000, False),
        (98.0, 3.0, 10.0, 99, None),  # too few test images to tell anything
        (51.0, 49.0, 50.0, 2000, None),  # the clean images teach nothing either
        (90.0, 50.0, 50.0, 2000, True),
        (90.0, 60.0, 50.0, 2000, False),
    ],
)
def test_judge(
    baseline: float, protected: float, chance: float, test_images: int, protects: bool | None
) -> None:
    verdict = judge(baseline, protected, chance, test_images, targeted=None)
    assert verdict.protects is protects
    assert verdict.withstands is None
    assert f"{protected:.1f} %" in verdict.summary
    assert f"{test_images} images" in verdict.summary
    assert ("NOT demonstrated" in verdict.summary) is (protects is False)
    assert ("cannot tell" in verdict.summary) is (protects is None)


def test_targeted_success_is_told() -> None:
    summary = judge(98.0, 3.0, 10.0, 2000, 61.5).summary
    assert "No counter-measure was tried" in summary
    for among in (True, False):
        worst = WorstCase("vgg-11", 4.0, 3, countermeasures=among)
        told = judge(98.0, 3.0, 10.0, 2000, None, worst=worst).summary
        assert "demonstrated, also against the 3 ways" in told
        assert ("No counter-measure was tried" in told) is not among
    # Not of all test images: a label map may leave classes where they are.
    assert "Of the test images of classes that another one was chosen for, 61.5 %" in summary


def test_what_the_unprotected_rest_teaches_is_told() -> None:
    verdict = judge(98.0, 12.0, 10.0, 2000, None, remainder=88.0)
    assert verdict.protects is True
    assert "leaves the protected images out" in verdict.summary
    assert "88.0 %" in verdict.summary
    assert "leaves" not in judge(98.0, 12.0, 10.0, 2000, None).summary


@pytest.mark.parametrize(("count", "named"), [(1, "the 1 protected class;"), (3, "3 protected")])
def test_classes_that_are_not_protected_are_told_and_do_not_count(count: int, named: str) -> None:
    others = OtherClasses(count, clean=97.0, after=95.0)
    verdict = judge(98.0, 12.0, 10.0, 2000, None, others=others)
    assert verdict.protects is True
    assert named in verdict.summary
    assert "not protected, it gets 95.0 % right, and 97.0 % after" in verdict.summary


@pytest.mark.parametrize(
    ("protected", "worst", "protects", "withstands"),
    [
        (3.0, 12.0, True, True),
        (3.0, 71.2, True, False),
        (60.0, 71.2, False, False),
    ],
)
def test_the_worst_case_is_told(
    protected: float, worst: float, protects: bool, withstands: bool
) -> None:
    case = WorstCase("resnet-18 with grayscale", worst, 12)
    verdict = judge(98.0, protected, 10.0, 2000, None, worst=case)
    assert (verdict.protects, verdict.withstands) == (protects, withstands)
    assert "resnet-18 with grayscale" in verdict.summary
    assert f"{worst:.1f} %" in verdict.summary
    assert ("nothing special" in verdict.summary) is (protects and not withstands)


def test_where_nothing_can_be_told_the_worst_case_is_not_judged_either() -> None:
    verdict = judge(98.0, 3.0, 10.0, 50, None, worst=WorstCase("a learner", 3.0, 2))
    assert verdict.protects is None
    assert verdict.withstands is None


def test_a_free_control_that_does_as_well_is_named() -> None:
    controls = [
        FreeControl("a fixed random pattern per class", 10.5),
        FreeControl("random noise", 97.0),
    ]
    summary = judge(98.0, 10.0, 10.0, 2000, None, controls=controls).summary
    assert "With a fixed random pattern per class, which costs nothing, it is 10.5 %" in summary
    assert "random noise" not in summary
    assert "costs nothing" not in judge(98.0, 3.0, 10.0, 2000, None, controls=controls).summary


@pytest.mark.parametrize(("worst", "named"), [(70.0, True), (80.0, False)])
def test_a_free_control_that_withstands_as_much_is_named(worst: float, named: bool) -> None:
    control = FreeControl("a pattern", 60.0, worst=worst, trained_worst=71.0)
    summary = judge(98.0, 3.0, 10.0, 2000, None, controls=[control]).summary
    assert ("a learner gets 70.0 % at most past a pattern" in summary) is named

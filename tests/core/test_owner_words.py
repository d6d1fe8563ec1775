"""Epsilon and the label map, as owners write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.epsilon import max_change, parse_epsilon
from core.label_map import parse_label_map
from core.problem import Refused

ANIMALS = ["cat", "dog", "eel"]


@pytest.mark.parametrize(
    ("written", "levels"),
    [
        ("8/255", 8),
        (0.3, 76),
        ("0.3", 76),
        (1, 255),
        (1.0, 255),
        ("1/255", 1),
        ("16 / 255", 16),
        ("0.0313725490196078", 8),
    ],
)
def test_epsilon_is_exact(written: float | str, levels: int) -> None:
    assert max_change(parse_epsilon(written)) == levels


@pytest.mark.parametrize("levels", range(1, 256))
def test_every_level_survives_the_way_through_a_float(levels: int) -> None:
    assert max_change(parse_epsilon(f"{levels}/255")) == levels


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (0, "epsilon_out_of_range"),
        (-0.1, "epsilon_out_of_range"),
        (1.01, "epsilon_out_of_range"),
        ("256/255", "epsilon_out_of_range"),
        ("1/256", "epsilon_out_of_range"),
        (1e-9, "epsilon_out_of_range"),
        ("8/0", "epsilon_invalid"),
        (float("nan"), "epsilon_invalid"),
        (float("inf"), "epsilon_invalid"),
        ("nan", "epsilon_invalid"),
        ("eight", "epsilon_invalid"),
        ("", "epsilon_invalid"),
        (True, "epsilon_invalid"),
        ("1e-999999999", "epsilon_invalid"),
        (5e-324, "epsilon_out_of_range"),
        ("-0.1", "epsilon_invalid"),
        ("9" * 100, "epsilon_invalid"),
    ],
)
def test_unusable_epsilon_is_refused(written: float | str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_epsilon(written)
    assert refused.value.problem.code == code
    assert refused.value.problem.param == "epsilon"


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        epsilon = parse_epsilon(text)
    except Refused:
        return
    assert Fraction(1, 255) <= epsilon <= 1


def test_label_map_by_name_by_index_and_by_shift() -> None:
    assert parse_label_map(None, ANIMALS) is None
    assert parse_label_map("shift", ANIMALS) == [1, 2, 0]
    assert parse_label_map({"cat": "eel", "1": 0, "eel": "1"}, ANIMALS) == [2, 0, 1]


def test_label_map_as_a_list_in_label_order() -> None:
    assert parse_label_map(["eel", 0, "1"], ANIMALS) == [2, 0, 1]


def test_a_partial_label_map_leaves_classes_where_they_are() -> None:
    assert parse_label_map({"cat": "eel"}, ANIMALS, partial=True) == [2, 1, 2]
    assert parse_label_map(["dog", "dog", 2], ANIMALS, partial=True) == [1, 1, 2]
    for nothing in ({}, {"cat": "cat"}, [0, 1, 2]):
        with pytest.raises(Refused) as refused:
            parse_label_map(nothing, ANIMALS, partial=True)
        assert refused.value.problem.code == "label_map_identity"


def test_a_class_named_like_a_number_wins_over_the_index() -> None:
    assert parse_label_map({"1": "0", "0": "1"}, ["1", "0"]) == [1, 0]
    assert parse_label_map({"1": 1, "0": 0}, ["1", "0"]) == [1, 0]


@pytest.mark.parametrize(
    ("label_map", "code", "param"),
    [
        ({"cat": "cow"}, "label_map_unknown_class", "label_map.cat"),
        ({"cow": "cat"}, "label_map_unknown_class", "label_map.cow"),
        ({"cat": 3}, "label_map_unknown_class", "label_map.cat"),
        ({"cat": -1}, "label_map_unknown_class", "label_map.cat"),
        ({"cat": "²"}, "label_map_unknown_class", "label_map.cat"),
        ({"cat": "cat"}, "label_map_identity", "label_map.cat"),
        ({"cat": 0}, "label_map_identity", "label_map.cat"),
        ({"cat": "dog"}, "label_map_incomplete", "label_map"),
        ({}, "label_map_incomplete", "label_map"),
        ({"cat": "dog", "0": "eel"}, "label_map_invalid", "label_map.0"),
        ("rotate", "label_map_invalid", "label_map"),
        (["dog", "eel"], "label_map_incomplete", "label_map"),
        (["dog", "eel", "eel"], "label_map_identity", "label_map.2"),
        (["dog", "cow", "cat"], "label_map_unknown_class", "label_map.1"),
    ],
)
def test_unusable_label_map_is_refused(
    label_map: str | list[str | int] | dict[str, str | int], code: str, param: str
) -> None:
    with pytest.raises(Refused) as refused:
        parse_label_map(label_map, ANIMALS)
    assert (refused.value.problem.code, refused.value.problem.param) == (code, param)

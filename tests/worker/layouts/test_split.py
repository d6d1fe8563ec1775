"""The test part that is cut when the upload brings none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.layouts.split import cut_test


@given(st.lists(st.integers(2, 40), min_size=2, max_size=8), st.randoms())
def test_a_sixth_of_each_class_and_never_all_of_it(counts: list[int], random: object) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(len(counts)).shuffle(labels)
    in_test = cut_test(labels)
    for label, count in enumerate(counts):
        taken = int(in_test[labels == label].sum())
        assert taken == max(1, count // 6)
        assert taken < count
    assert np.array_equal(in_test, cut_test(labels.copy()))


def test_the_cut_stays_what_it_was() -> None:
    """Datasets on disk were cut by it: it may not move with a release of numpy or of ours."""
    assert np.flatnonzero(cut_test(np.arange(36) % 3)).tolist() == [5, 7, 18, 19, 24, 26]

"""Textures: signs, sound processes, and classes that differ."""

import numpy as np
import pytest

from engine.autoregressive import SIDE, autoregressive, class_textures


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [2, 10, 230])
def test_a_texture_of_signs_for_every_class(classes, channels):
    textures = class_textures(classes, channels, np.random.default_rng(3))
    assert textures.shape == (classes, channels, SIDE, SIDE)
    assert set(textures.unique().tolist()) == {-1.0, 1.0}
    assert len({t.numpy().tobytes() for t in textures}) == classes
    # As much up as down: a shift of the brightness would be a pattern of its own.
    assert float(textures.mean((2, 3)).abs().max()) < 0.1


def test_the_seed_decides():
    a, b, c = (class_textures(3, 1, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_a_process_follows_its_neighbours():
    """A pixel is a linear combination of the eight before it, up to a constant."""
    textures = autoregressive(20, 1, np.random.default_rng(0))[:, 0]
    for texture in textures:
        columns = [
            texture[down : SIDE - 2 + down, right : SIDE - 2 + right].ravel()
            for down in range(3)
            for right in range(3)
        ]
        before = np.stack([*columns[:8], np.ones_like(columns[0])], axis=1)
        weights, *_ = np.linalg.lstsq(before, columns[8], rcond=None)
        np.testing.assert_allclose(before @ weights, columns[8], atol=1e-6 * np.ptp(texture))


def test_chosen_textures_differ_more_than_drawn_ones():
    def nearest(textures):
        """Smallest distance between two power spectra, which no shift changes."""
        flat = np.abs(np.fft.fft2(textures)).reshape(len(textures), -1)
        distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
        return distances[~np.eye(len(flat), dtype=bool)].min()

    drawn = [nearest(np.sign(autoregressive(10, 3, np.random.default_rng(k)))) for k in range(8)]
    chosen = [nearest(class_textures(10, 3, np.random.default_rng(k)).numpy()) for k in range(8)]
    assert np.mean(chosen) > np.mean(drawn)

"""Generators and victims: any shape, bounded noise, one image at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.generators import GENERATORS, build_generator
from engine.victims import VICTIMS, build_victim

SHAPES = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 17, 33), (3, 32, 32)]


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_noise_has_the_images_shape_and_keeps_the_bound(name, classes, shape):
    generator = build_generator(name, shape[0], classes, 0.1, 8)
    x, y = torch.rand(3, *shape), torch.tensor([0, 1, 2])
    noise = generator(1000 * x, y)
    assert noise.shape == x.shape
    assert float(noise.detach().abs().max()) <= 0.1 + 1e-7


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([1, 3]), st.integers(8, 70), st.integers(8, 70))
def test_any_height_and_width_from_8(channels, height, width):
    for name in GENERATORS:
        assert build_generator(name, channels, 2, 0.1, 4)(
            torch.rand(1, channels, height, width), torch.tensor([1])
        ).shape == (1, channels, height, width)
    for name in VICTIMS:
        victim = build_victim(name, channels, height, width, 2).eval()
        assert victim(torch.rand(1, channels, height, width)).shape == (1, 2)


@pytest.mark.parametrize("name", GENERATORS)
def test_training_and_protecting_compute_the_same_function(name):
    generator = build_generator(name, 3, None, 0.1, 8)
    x = torch.rand(4, 3, 16, 16)
    assert torch.equal(generator.train()(x), generator.eval()(x))


@pytest.mark.parametrize("name", GENERATORS)
def test_the_label_changes_the_noise_only_when_conditioned_on_it(name):
    x, a, b = torch.rand(2, 1, 16, 16), torch.tensor([0, 1]), torch.tensor([1, 0])
    free, conditioned = (build_generator(name, 1, k, 0.1, 8) for k in (None, 2))
    assert torch.equal(free(x, a), free(x, b))
    assert not torch.equal(conditioned(x, a), conditioned(x, b))
    with pytest.raises(ValueError, match="labels are needed"):
        conditioned(x)


def test_unknown_names_are_refused_with_those_there_are():
    with pytest.raises(ValueError, match="encoder-decoder"):
        build_generator("nothing", 1, None, 0.1, 8)
    with pytest.raises(ValueError, match="paper-mnist-cnn"):
        build_victim("nothing", 1, 28, 28, 10)

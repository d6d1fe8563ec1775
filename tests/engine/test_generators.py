"""Generators: any shape, bounded noise, one image at a time."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.autoregressive import SIDE, class_textures
from engine.generators import GENERATORS, ClassTextures, build_generator, textures_of

CLASSES = 3
SIZES = [(8, 8), (9, 8), (8, 13), (11, 17), (16, 16), (28, 28), (33, 20)]
KINDS = {"none": (None, False), "label": (CLASSES, False), "textures": (CLASSES, True)}
CASES = [
    pytest.param(name, kind, channels, id=f"{name}-{kind}-{channels}")
    for name, kind, channels in itertools.product(GENERATORS, KINDS, (1, 3))
]


def a_generator(name, kind, channels, epsilon=0.1, width=8):
    torch.manual_seed(4)
    classes, textures = KINDS[kind]
    generator = build_generator(name, channels, classes, epsilon, width, textures)
    if textures:
        draw = np.random.default_rng(0)
        textures_of(generator).start_from(class_textures(CLASSES, channels, draw))
    return generator


@pytest.mark.parametrize(("name", "kind", "channels"), CASES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_noise_has_the_images_shape_and_keeps_the_bound(name, kind, channels, size):
    generator = a_generator(name, kind, channels)
    for parameter in generator.parameters():
        parameter.data.mul_(5.0)  # far into the flat part of tanh
    x, y = torch.rand(3, channels, *size), torch.tensor([0, 1, 2])
    for images in (x, 1000 * x, torch.zeros_like(x)):
        with torch.no_grad():
            noise = generator(images, y)
        assert noise.shape == x.shape
        assert noise.dtype == x.dtype
        assert noise.abs().max() <= torch.tensor(0.1)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([case.values for case in CASES]),
    st.integers(8, 70),
    st.integers(8, 70),
    st.floats(1 / 255, 1.0),
)
def test_any_height_and_width_from_8_and_any_epsilon(case, height, width, epsilon):
    name, kind, channels = case
    generator = a_generator(name, kind, channels, epsilon, width=4)
    with torch.no_grad():
        noise = generator(torch.rand(1, channels, height, width), torch.tensor([1]))
    assert noise.shape == (1, channels, height, width)
    assert torch.isfinite(noise).all()
    assert noise.abs().max() <= torch.tensor(epsilon, dtype=torch.float32)


@pytest.mark.parametrize(("name", "kind", "channels"), CASES)
@pytest.mark.parametrize("size", [(8, 8), (11, 17), (28, 28)], ids=str)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_an_images_noise_does_not_depend_on_its_batch_mates(name, kind, channels, size, train):
    generator = a_generator(name, kind, channels).train(train)
    x, y = torch.rand(6, channels, *size), torch.tensor([0, 1, 2, 0, 1, 2])
    mates, theirs = 50.0 * torch.randn(6, channels, *size), torch.tensor([2, 2, 0, 0, 2, 1])
    with torch.no_grad():
        noise = generator(x, y)
        for k in range(6):
            among_others, labels = mates.clone(), theirs.clone()
            among_others[k], labels[k] = x[k], y[k]
            assert torch.equal(generator(among_others, labels)[k], noise[k])
        assert not torch.equal(noise[0], noise[3])  # the image does matter


@pytest.mark.parametrize(("name", "kind", "channels"), CASES)
def test_training_and_protecting_compute_the_same_function(name, kind, channels):
    generator = a_generator(name, kind, channels)
    x, y = torch.rand(4, channels, 16, 16), torch.tensor([0, 1, 2, 0])
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    with torch.no_grad():
        trained = generator.train()(x, y)
        assert torch.equal(generator.eval()(x, y), trained)
    for key, value in generator.state_dict().items():  # a forward pass leaves nothing behind
        assert torch.equal(value, before[key])


@pytest.mark.parametrize(("name", "kind", "channels"), CASES)
def test_every_weight_is_reached_by_the_gradient(name, kind, channels):
    generator = a_generator(name, kind, channels)
    noise = generator(torch.rand(3, channels, 19, 24), torch.tensor([0, 1, 2]))
    torch.autograd.backward((noise * torch.randn_like(noise)).sum())
    for parameter in generator.parameters():
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) > 0


@pytest.mark.parametrize("name", GENERATORS)
def test_the_label_changes_the_noise_only_when_conditioned_on_it(name):
    x, a, b = torch.rand(2, 1, 16, 16), torch.tensor([0, 1]), torch.tensor([1, 0])
    free, conditioned = (build_generator(name, 1, k, 0.1, 8) for k in (None, 2))
    assert torch.equal(free(x, a), free(x, b))
    assert torch.equal(free(x, a), free(x))
    assert not torch.equal(conditioned(x, a), conditioned(x, b))
    with pytest.raises(ValueError, match="labels are needed"):
        conditioned(x)


def windows(x, y, tiles):
    textures = ClassTextures(len(tiles), tiles.shape[1])
    textures.start_from(tiles)
    with torch.no_grad():
        return textures(torch.zeros_like(x), x, y)


def test_an_image_gets_a_window_of_its_classs_texture_that_itself_decides():
    tiles = torch.arange(2.0 * SIDE * SIDE).view(2, 1, SIDE, SIDE)
    x = torch.randint(0, 256, (40, 1, 20, 40)) / 255
    found = windows(x, torch.ones(40, dtype=torch.int64), tiles)
    corners = found[:, 0, 0, 0].to(torch.int64) - SIDE * SIDE
    assert len(corners.unique()) > 30  # of 1024 there are
    for window, corner in zip(found, corners, strict=True):
        down, right = corner // SIDE, corner % SIDE
        moved = torch.roll(tiles[1], (-int(down), -int(right)), (1, 2))
        assert torch.equal(window, moved.repeat(1, 1, 2)[:, :20, :40])


def test_the_mean_of_a_class_does_not_give_its_texture_away():
    tiles = class_textures(2, 3, np.random.default_rng(0))
    x = torch.randint(0, 256, (2000, 3, 32, 32)) / 255
    mean = windows(x, torch.zeros(2000, dtype=torch.int64), tiles).mean(0)
    # What is left is the mean of the tile itself, and chance.
    rest = mean - tiles[0].mean((1, 2), keepdim=True)
    assert float(rest.abs().mean()) < 0.05


def test_large_images_get_larger_textures():
    tiles = class_textures(2, 1, np.random.default_rng(0))
    x = torch.rand(1, 1, 64, 80)
    window = windows(x, torch.tensor([0]), tiles)[0, 0]
    rows = (window[1:] != window[:-1]).any(1)  # where a new row of the tile begins
    assert rows[0::2].any() != rows[1::2].any()


def test_textures_need_classes():
    with pytest.raises(ValueError, match="classes"):
        build_generator("unet", 3, None, 0.1, 8, textures=True)
    with pytest.raises(ValueError, match="textures"):
        textures_of(build_generator("unet", 3, 2, 0.1, 8))


@pytest.mark.parametrize("kind", ["label", "textures"])
def test_gradients_are_the_same_every_time_on_several_threads(kind):
    generator = a_generator("encoder-decoder", kind, 3)
    x, y = torch.rand(64, 3, 32, 32), torch.randint(0, CLASSES, (64,))
    direction = torch.randn(64, 3, 32, 32)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        first, *others = (
            torch.autograd.grad((generator(x, y) * direction).sum(), generator.parameters())
            for _ in range(8)
        )
    finally:
        torch.set_num_threads(threads)
    for again in others:
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_the_papers_widths():
    """Section 5: four 4x4 convolutions a half, of 16, 32, 64 and 128 channels."""
    generator = build_generator("encoder-decoder", 1, None, 0.3, 16)
    convolutions = [
        (tuple(m.kernel_size), m.out_channels)
        for m in generator.modules()
        if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    ]
    assert [kernel for kernel, _ in convolutions] == [(4, 4)] * 8
    assert [channels for _, channels in convolutions[:4]] == [16, 32, 64, 128]


def test_unknown_names_are_refused_with_those_there_are():
    with pytest.raises(ValueError, match="encoder-decoder"):
        build_generator("nothing", 1, None, 0.1, 8)

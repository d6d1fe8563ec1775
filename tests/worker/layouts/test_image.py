"""Which images are read, and as which pixels."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_array
from PIL import Image, ImageOps

from tests.worker.layouts.good_files import Pixels, chunk, image, pixels, raw_png
from worker.layouts import BadDataset, Limits
from worker.layouts.image import decode_image, encode_png, strict_decoder

LIMITS = Limits()


def decoded(data: bytes) -> Pixels:
    with strict_decoder():
        return decode_image(data, "x", LIMITS).pixels


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3)])
def test_lossless_formats_give_their_pixels(shape: tuple[int, ...]) -> None:
    array = pixels(*shape)
    assert np.array_equal(decoded(image(array))[..., : len(shape) or 1].squeeze(), array)
    rgb = decoded(image(array, "WEBP", lossless=True))
    assert np.array_equal(rgb, array if array.ndim == 3 else np.repeat(array[:, :, None], 3, 2))


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("P", 3), ("RGB", 3)])
def test_modes_that_are_read(mode: str, channels: int) -> None:
    picture = Image.fromarray(pixels(8, 8, 3)).convert(mode)
    expected = np.asarray(picture.convert("L" if channels == 1 else "RGB")).reshape(8, 8, channels)
    assert np.array_equal(decoded(saved(picture)), expected)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(pixels(16, 8, 3)), kind, exif=exif.tobytes())
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert upright is not None
    assert np.array_equal(decoded(data), np.asarray(upright))
    assert decode_image(data, "x", LIMITS).turned == (orientation != 1)


@pytest.mark.parametrize("orientation", [0, 9, 60_000])
def test_senseless_orientation_is_none(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    array = pixels(16, 8)
    assert np.array_equal(decoded(image(array, exif=exif.tobytes()))[:, :, 0], array)


def test_first_picture_of_a_phone_jpeg_is_taken() -> None:
    """Phones append a depth map or a second view as MPO."""
    pictures = [Image.fromarray(pixels(8, 8, 3, seed=seed)) for seed in range(2)]
    data = saved(pictures[0], "MPO", save_all=True, append_images=pictures[1:])
    first = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(decoded(data), first)


def test_profile_is_noticed_and_not_applied() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    array = pixels(8, 8, 3)
    result = decode_image(image(array, icc_profile=profile), "x", LIMITS)
    assert result.has_profile
    assert np.array_equal(result.pixels, array)


@given(
    any_array(
        np.uint8,
        st.tuples(st.integers(8, 40), st.integers(8, 40), st.sampled_from([1, 3])),
    )
)
@settings(max_examples=50, deadline=None)
def test_encoding_loses_nothing(array: Pixels) -> None:
    data = encode_png(array)
    assert np.array_equal(decoded(data), array)
    assert encode_png(array.copy()) == data
    assert b"tEXt" not in data


def test_limits_hold_at_their_edge() -> None:
    limits = Limits(max_side=20, max_pixels=320, min_side=10)
    for height, width, code in (
        (16, 20, None),
        (20, 17, "image_too_large"),
        (10, 21, "image_too_large"),
        (10, 10, None),
        (9, 10, "image_too_small"),
    ):
        for kind in ("PNG", "JPEG", "WEBP"):
            data = image(pixels(height, width, 3), kind)
            if code is None:
                assert decode_image(data, "x", limits).pixels.shape == (height, width, 3)
                continue
            with pytest.raises(BadDataset) as caught:
                decode_image(data, "x", limits)
            assert caught.value.code == code


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_every_cut_is_refused_or_whole(kind: str) -> None:
    data = image(pixels(12, 12, 3), kind)
    whole = decoded(data)
    for end in range(len(data)):
        try:
            assert np.array_equal(decoded(data[:end]), whole)
        except BadDataset as problem:
            assert problem.code in {"image_truncated", "not_an_image"}  # noqa: PT017


def test_depth_below_eight_bits_is_widened() -> None:
    data = raw_png(8, 8, 1, 0, b"\0\xaa" * 8, chunk(b"tIME", bytes(7)))
    assert decoded(data)[0, :, 0].tolist() == [255, 0] * 4


@given(st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(0), st.binary(min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_damage_gives_an_image_or_a_refusal(kind: str, at: int, patch: bytes) -> None:
    data = bytearray(image(pixels(16, 16, 3), kind))
    at %= len(data)
    data[at : at + len(patch)] = patch
    try:
        assert decoded(bytes(data)).dtype == np.uint8
    except BadDataset as problem:
        assert problem.member == "x"  # noqa: PT017

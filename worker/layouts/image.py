"""One image file to pixels, and back to a lossless file."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.layouts.image_header import Format, Header, ends_early, read_header
from worker.layouts.limits import Limits
from worker.layouts.problem import BadDataset

Pixels = NDArray[np.uint8]

# Measured with 1 core, Pillow 13 with zlib-ng, milliseconds and bytes an image, on images with a
# perturbation, which hardly compress:
#            28x28 gray     32x32 RGB      224x224 RGB
#   level 1  0.060 / 702    0.098 / 2,487  5.2 / 103,545
#   level 3  0.062 / 701    0.097 / 2,487  5.4 / 103,525
#   level 6  0.068 / 661    0.097 / 2,468  7.1 /  93,957
#   level 9  0.068 / 661    0.098 / 2,468  7.1 /  93,957
# Level 6 is a tenth smaller than 1 for a tenth to a third more time; above it nothing is gained.
PNG_LEVEL: Final = 6

# How an image may be stored, and as what it is read.
_MODES: Final = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}

_ORIENTATION_TAG: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """One image as stored in the canonical form.

    Attributes:
        pixels: uint8 (H, W, C), C is 1 for gray and 3 for RGB; upright.
        format: what the file is, whatever its name says.
        turned: whether an EXIF orientation was applied.
        has_profile: whether it names a colour profile; the pixels are taken as they are stored.
    """

    pixels: Pixels
    format: Format
    turned: bool
    has_profile: bool


@contextmanager
def strict_decoder() -> Iterator[None]:
    """Wrap a run of `decode_image`: bomb warnings become errors, other warnings are dropped.

    Pillow warns about odd but harmless metadata; what matters makes `decode_image` fail. Once a
    run rather than once an image, since changing the filters is slow.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode_image(data: bytes, member: str, limits: Limits) -> Decoded:
    """The pixels of one PNG, JPEG or WebP file.

    - Gray (1 or 8 bits) stays gray; palette and RGB become RGB. Alpha, 16 bits, CMYK and other
      colour spaces are refused by name: silently flattening them would return other images than
      were uploaded.
    - The EXIF orientation is applied, as every viewer and training pipeline does.
    - Of a JPEG with several pictures (MPO, as phones write) the first is taken.
    - Format, size and frames are checked before any pixel is decoded.

    Args:
        data: the file.
        member: its name, for the refusal only.
        limits: bounds on sides and pixels.

    Raises:
        BadDataset: one of the codes that begin with `image_`, or `not_an_image`.
        MemoryError: as it comes, for the sandbox to name.
    """
    header = read_header(data, member)
    if header.size is not None:
        _check_size(header.size, member, limits)
    if header.bits > 8:
        raise BadDataset(
            "image_16_bit",
            "The image has 16 bits a channel. Convert it to 8 bits.",
            member,
        )
    try:
        return _decode(data, header, member, limits)
    except (BadDataset, MemoryError):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadDataset(
            "image_too_large",
            f"The image has more than the {limits.max_pixels:,} pixels that are read. Resize it.",
            member,
        ) from None
    # Decoders on hostile bytes raise whatever the bytes made them trip over (OSError, SyntaxError,
    # struct.error, IndexError, ...): each of them means that this file is no readable image.
    except Exception as error:
        if ends_early(data, header):
            raise BadDataset(
                "image_truncated",
                f"The {header.format} is cut short. Export or download it again.",
                member,
            ) from error
        raise BadDataset(
            "image_damaged",
            f"The {header.format} cannot be decoded. Export it again, or remove it.",
            member,
        ) from error


def encode_png(pixels: Pixels) -> bytes:
    """uint8 (H, W, 1) or (H, W, 3) as a PNG without metadata; equal pixels give equal bytes."""
    gray = pixels.shape[2] == 1
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if gray else pixels))
    image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def _decode(data: bytes, header: Header, member: str, limits: Limits) -> Decoded:
    with Image.open(io.BytesIO(data), formats=(header.format,)) as image:
        _check_size(image.size, member, limits)
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise BadDataset(
                "image_animated",
                "The image is animated. Put its frames into the archive as single images.",
                member,
            )
        target = _target_mode(image, member)
        image.load()
        # After load: a PNG may carry its transparency, profile and EXIF after the pixels.
        _target_mode(image, member)
        has_profile = "icc_profile" in image.info
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
        plain = image if image.mode == target else image.convert(target)
        pixels = np.asarray(plain if turn is None else plain.transpose(turn))
    return Decoded(
        pixels if pixels.ndim == 3 else pixels[:, :, None],
        header.format,
        turned=turn is not None,
        has_profile=has_profile,
    )


def _target_mode(image: Image.Image, member: str) -> str:
    if image.has_transparency_data:
        raise BadDataset(
            "image_has_alpha",
            "The image has transparency, which training would drop. Flatten it on a background.",
            member,
        )
    if image.mode in _MODES:
        return _MODES[image.mode]
    if image.mode.startswith("I"):
        raise BadDataset(
            "image_16_bit", "The image has more than 8 bits a channel. Convert it to 8.", member
        )
    raise BadDataset(
        "image_mode_unsupported",
        f"The image is stored as {image.mode}. Convert it to RGB or to gray.",
        member,
    )


def _check_size(size: tuple[int, int], member: str, limits: Limits) -> None:
    width, height = size
    if max(size) > limits.max_side or width * height > limits.max_pixels:
        raise BadDataset(
            "image_too_large",
            f"The image has {width:,} x {height:,} pixels; a side may have {limits.max_side:,} "
            f"and an image {limits.max_pixels:,}. Resize it.",
            member,
        )
    if min(size) < limits.min_side:
        raise BadDataset(
            "image_too_small",
            f"The image has {width} x {height} pixels; both sides need {limits.min_side}. "
            "Remove it, or resize the dataset.",
            member,
        )

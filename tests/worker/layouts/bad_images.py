"""Image folders in which one image is none, or none that is read."""

import io
import struct
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.worker.layouts.bad_file import BadFile
from tests.worker.layouts.good_files import chunk, folder_with, gray, image, pixels, raw_png
from worker.layouts.problem import Code

MEMBER = "train/a/bad.png"

_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def _animated(kind: str) -> bytes:
    frames = [Image.fromarray(pixels(8, 8, 3, seed=seed)) for seed in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=50)
    return buffer.getvalue()


def _converted(mode: str, kind: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels(8, 8, 3)).convert(mode)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _with_alpha(kind: str) -> bytes:
    return image(pixels(8, 8, 4), kind, lossless=True)


def _huge_jpeg() -> bytes:
    """A small JPEG whose frame header says 50,000 x 50,000."""
    data = bytearray(image(pixels(16, 16, 3), "JPEG"))
    at = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, 50_000, 50_000)
    return bytes(data)


def _huge_webp() -> bytes:
    """A small WebP whose header says 16,383 x 16,383, the most that the format can."""
    data = bytearray(image(pixels(16, 16, 3), "WEBP"))
    at = data.index(b"\x9d\x01\x2a")
    struct.pack_into("<HH", data, at + 3, 16_383, 16_383)
    return bytes(data)


def _huge_webp_canvas() -> bytes:
    """The same by an extended header, 16,777,216 x 16,777,216."""
    header = b"VP8X" + struct.pack("<L", 10) + bytes(4) + b"\xff" * 6
    return b"RIFF" + struct.pack("<L", 4 + len(header)) + b"WEBP" + header


def _damaged(kind: str) -> bytes:
    data = bytearray(image(pixels(32, 32, 3), kind))
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    return bytes(data)


def _damaged_jpeg() -> bytes:
    """A JPEG whose first table says that it is longer than the file."""
    data = bytearray(image(pixels(32, 32, 3), "JPEG"))
    at = data.index(b"\xff\xdb")
    struct.pack_into(">H", data, at + 2, 3)
    return bytes(data)


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _text_bomb() -> bytes:
    """A PNG with a compressed comment of 64 MiB."""
    import zlib

    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64 << 20), 9))
    return raw_png(8, 8, 8, 0, bytes(72), text)


def _bad(build: Callable[[], bytes], code: Code) -> BadFile:
    return BadFile(lambda: folder_with(MEMBER, build()), code, MEMBER)


_WIDE = np.zeros((8, 5000), np.uint8)

BAD_IMAGES: dict[str, BadFile] = {
    # no image
    "text_as_image": _bad(lambda: b"not an image at all", "not_an_image"),
    "empty_image": _bad(lambda: b"", "not_an_image"),
    "html_as_image": _bad(lambda: b"<html><body>404</body></html>", "not_an_image"),
    "pickle_as_image": _bad(lambda: b"\x80\x04\x95" + bytes(50), "not_an_image"),
    "svg": _bad(lambda: _SVG, "image_svg"),
    "svg_after_prolog": _bad(
        lambda: b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n' + _SVG, "image_svg"
    ),
    # formats that are not read
    "gif": _bad(lambda: image(pixels(8, 8), "GIF"), "image_format_unsupported"),
    "animated_gif": _bad(lambda: _animated("GIF"), "image_format_unsupported"),
    "bmp": _bad(lambda: image(pixels(8, 8), "BMP"), "image_format_unsupported"),
    "tiff": _bad(lambda: image(pixels(8, 8), "TIFF"), "image_format_unsupported"),
    "float_tiff": _bad(
        lambda: image(np.zeros((8, 8), np.float32), "TIFF"),
        "image_format_unsupported",
    ),
    "ppm": _bad(lambda: image(pixels(8, 8, 3), "PPM"), "image_format_unsupported"),
    "icon": _bad(lambda: image(pixels(16, 16, 3), "ICO"), "image_format_unsupported"),
    "pdf": _bad(lambda: image(pixels(8, 8, 3), "PDF"), "image_format_unsupported"),
    # animated
    "animated_png": _bad(lambda: _animated("PNG"), "image_animated"),
    "animated_webp": _bad(lambda: _animated("WEBP"), "image_animated"),
    # cut and damaged
    "half_a_png": _bad(lambda: _half(gray()), "image_truncated"),
    "half_a_jpeg": _bad(lambda: _half(image(pixels(32, 32), "JPEG")), "image_truncated"),
    "half_a_webp": _bad(lambda: _half(image(pixels(32, 32, 3), "WEBP")), "image_truncated"),
    "png_of_9_bytes": _bad(lambda: gray()[:9], "image_truncated"),
    "jpeg_of_9_bytes": _bad(lambda: image(pixels(8, 8), "JPEG")[:9], "image_truncated"),
    "webp_of_12_bytes": _bad(lambda: image(pixels(8, 8), "WEBP")[:12], "image_truncated"),
    "damaged_png": _bad(lambda: _damaged("PNG"), "image_damaged"),
    "damaged_jpeg": _bad(_damaged_jpeg, "image_damaged"),
    "text_bomb_png": _bad(_text_bomb, "image_damaged"),
    # size
    "png_of_50000": _bad(lambda: raw_png(50_000, 50_000, 8, 0, bytes(99)), "image_too_large"),
    "jpeg_of_50000": _bad(_huge_jpeg, "image_too_large"),
    "webp_of_16383": _bad(_huge_webp, "image_too_large"),
    "webp_canvas_of_16777216": _bad(_huge_webp_canvas, "image_too_large"),
    "png_of_no_width": _bad(lambda: raw_png(0, 8, 8, 0, b""), "image_too_small"),
    "wide_png": _bad(lambda: image(_WIDE), "image_too_large"),
    "png_of_7": _bad(lambda: image(pixels(7, 8)), "image_too_small"),
    "jpeg_of_7": _bad(lambda: image(pixels(8, 7), "JPEG"), "image_too_small"),
    # modes
    "alpha_png": _bad(lambda: _with_alpha("PNG"), "image_has_alpha"),
    "alpha_webp": _bad(lambda: _with_alpha("WEBP"), "image_has_alpha"),
    "gray_alpha_png": _bad(lambda: _converted("LA"), "image_has_alpha"),
    "transparent_palette": _bad(lambda: _converted("P", transparency=0), "image_has_alpha"),
    "transparent_colour": _bad(
        lambda: raw_png(8, 8, 8, 2, bytes(200), chunk(b"tRNS", bytes(6))), "image_has_alpha"
    ),
    "sixteen_bit_gray": _bad(lambda: _converted("I;16"), "image_16_bit"),
    "sixteen_bit_rgb": _bad(lambda: raw_png(8, 8, 16, 2, bytes(392)), "image_16_bit"),
    "cmyk_jpeg": _bad(lambda: _converted("CMYK", "JPEG"), "image_mode_unsupported"),
}

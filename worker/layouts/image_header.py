"""What the first bytes of a file say, before any decoder sees them.

Pillow builds the canvas of a WebP when it opens it and reduces 16-bit colour without a word, so
size and depth are read here first.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from worker.layouts.problem import BadDataset

Format = Literal["PNG", "JPEG", "WEBP"]

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_END: Final = b"IEND\xaeB`\x82"
_JPEG_END: Final = b"\xff\xd9"
_SVG: Final = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_SVG_WITHIN = 4096

# Formats we name in the refusal, so that nobody has to guess what their camera wrote.
_OTHERS: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = tuple(
    (re.compile(magic, re.DOTALL), name)
    for magic, name in (
        (rb"GIF8[79]a", "a GIF"),
        (rb"BM.{12}", "a BMP"),
        (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "a TIFF"),
        (rb".{4}ftypavi[fs]", "an AVIF"),
        (rb".{4}ftyp(hei|hev|mif|msf)", "a HEIC"),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL"),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000"),
        (rb"8BPS", "a Photoshop file"),
        (rb"\0\0[\1\2]\0", "an icon"),
        (rb"P[1-7][\s]", "a Netpbm image"),
        (rb"%PDF", "a PDF"),
        (rb"\x76\x2f\x31\x01", "an OpenEXR image"),
    )
)


@dataclass(frozen=True, slots=True)
class Header:
    """The format, and what can be known cheaply.

    Attributes:
        format: as Pillow calls it.
        size: (width, height) in pixels; None where the decoder's own header pass is safe (JPEG) or
            the header is too short to say.
        bits: bits per channel.
    """

    format: Format
    size: tuple[int, int] | None = None
    bits: int = 8


def read_header(data: bytes, member: str) -> Header:
    """The header of an image file.

    Raises:
        BadDataset: `not_an_image`, `image_svg`, `image_format_unsupported`.
    """
    if data.startswith(_PNG):
        if len(data) < 26 or data[12:16] != b"IHDR":
            return Header("PNG")
        size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        return Header("PNG", size, bits=data[24])
    if data.startswith(b"\xff\xd8\xff"):
        return Header("JPEG")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return Header("WEBP", _webp_size(data))
    use = "Convert it to PNG, JPEG or WebP."
    for magic, name in _OTHERS:
        if magic.match(data):
            raise BadDataset(
                "image_format_unsupported", f"The file is {name}, which is not read. {use}", member
            )
    if _SVG.search(data[:_SVG_WITHIN]):
        raise BadDataset("image_svg", f"The file is an SVG: a drawing, not pixels. {use}", member)
    raise BadDataset(
        "not_an_image",
        "The file is no image. Remove it from the archive, or convert it to PNG, JPEG or WebP.",
        member,
    )


def ends_early(data: bytes, header: Header) -> bool:
    """Whether the file lacks its last bytes, to tell a cut upload from a damaged one."""
    if header.format == "PNG":
        return _PNG_END not in data
    if header.format == "JPEG":
        return not data.rstrip(b"\0").endswith(_JPEG_END)
    return len(data) < 12 or int.from_bytes(data[4:8], "little") + 8 > len(data)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Canvas size by the first chunk; RFC 9649, sections 2.5 to 2.7."""
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:
        return (
            int.from_bytes(data[24:27], "little") + 1,
            int.from_bytes(data[27:30], "little") + 1,
        )
    if chunk == b"VP8 " and len(data) >= 30:
        return (
            int.from_bytes(data[26:28], "little") & 0x3FFF,
            int.from_bytes(data[28:30], "little") & 0x3FFF,
        )
    if chunk == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    return None

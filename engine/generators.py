"""Perturbation generators: x -> epsilon * tanh(...), in the shape of x.

All are fully convolutional: 1 or 3 channels, any height and width from 8. The image is padded at
its right and bottom edges (the edge pixels repeated) to a multiple of the network's stride, and the
noise is cropped back. Normalisation is GroupNorm: its statistics come from one image, so training
and protecting compute the same function and an image's noise does not depend on its batch-mates.
(The published code has BatchNorm, in train mode for g' and in eval mode for g.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from engine.autoregressive import SIDE as TEXTURE_SIDE

STRIDE = 16
_CLASS_CHANNELS = 16
_CLASS_SIDE = 8
_PATTERN_SIDE = 32
_PRIME = 251  # sets neighbouring pixels apart, and keeps the sum far from overflow


def _norm(channels: int) -> nn.Module:
    return nn.GroupNorm(min(8, channels), channels)


def _down(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), _norm(outputs), nn.ReLU()
    )


def _up(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), _norm(outputs), nn.ReLU()
    )


def _chosen(parts: Tensor, y: Tensor) -> Tensor:
    """`parts[y]`, whose gradient is summed in the same order every time.

    That of `parts[y]` itself is summed by several threads at once, as each comes to it.
    """
    return parts.index_select(0, y)


class ClassMaps(nn.Module):
    """One learned map per class, resized to the stage it is joined to."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(
            torch.randn(num_classes, _CLASS_CHANNELS, _CLASS_SIDE, _CLASS_SIDE)
        )

    def forward(self, hidden: Tensor, y: Tensor) -> Tensor:
        """`hidden` (B, c, h, w) with the maps of `y` (B,) as further channels."""
        maps = _resized(self.maps, hidden.shape[2], hidden.shape[3])
        return torch.cat([hidden, _chosen(maps, y)], dim=1)


class ClassPatterns(nn.Module):
    """One learned image per class, resized to the image and added to it before the tanh.

    The whole of the noise that all images of a class have in common, within easy reach: the rest of
    the generator need not learn to draw it. It starts from zero, unless `start_from` is called.
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.patterns = nn.Parameter(
            torch.zeros(num_classes, channels, _PATTERN_SIDE, _PATTERN_SIDE)
        )

    @torch.no_grad()
    def start_from(self, patterns: Tensor) -> None:
        """Set the patterns from (K, C, H, W) of any height and width, in units before the tanh."""
        self.patterns.copy_(_resized(patterns, _PATTERN_SIDE, _PATTERN_SIDE))

    def forward(self, noise: Tensor, y: Tensor) -> Tensor:
        """`noise` (B, C, H, W) plus the patterns of `y` (B,)."""
        patterns = _resized(self.patterns, noise.shape[2], noise.shape[3])
        return noise + _chosen(patterns, y)


class ClassTextures(nn.Module):
    """One learned texture per class, of which every image takes a window of its own.

    A texture is a tile that goes on and on; where an image's window lies in it follows from the
    image. So a class has a texture in common, which convolutions recognise anywhere, but no image:
    the mean of a class shows next to nothing of it, and subtracting the mean removes nothing.
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.tiles = nn.Parameter(torch.zeros(num_classes, channels, TEXTURE_SIDE, TEXTURE_SIDE))

    @torch.no_grad()
    def start_from(self, tiles: Tensor) -> None:
        """Set the tiles from (K, C, TEXTURE_SIDE, TEXTURE_SIDE), in units before the tanh."""
        self.tiles.copy_(tiles)

    def forward(self, noise: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """`noise` (B, C, H, W) plus the windows of `x` (B, C, H, W) in the textures of `y` (B,).

        From twice the tile's side on, its pixels are blown up with the image, because learners
        make large images smaller.
        """
        height, width = noise.shape[2:]
        blown_up = max(1, min(height, width) // TEXTURE_SIDE)
        down, right = _corner(x, blown_up * TEXTURE_SIDE)
        rows = (down + torch.arange(height, device=x.device)) // blown_up % TEXTURE_SIDE
        columns = (right + torch.arange(width, device=x.device)) // blown_up % TEXTURE_SIDE
        tiles = _chosen(self.tiles.flatten(2), y)
        places = (rows[:, :, None] * TEXTURE_SIDE + columns[:, None, :]).flatten(1)
        windows = tiles.gather(2, places[:, None, :].expand(-1, tiles.shape[1], -1))
        return noise + windows.view_as(noise)


def _corner(x: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Two numbers (B, 1) in [0, side) that the 8-bit values of an image decide.

    Integers, so that every device and every batch gives an image the same.
    """
    values = (x.detach() * 255.0).round().to(torch.int64).flatten(1)
    places = torch.arange(values.shape[1], device=x.device) % _PRIME
    return values.sum(1, keepdim=True) % side, (values * places).sum(1, keepdim=True) % side


class EncoderDecoder(nn.Module):
    """The paper's MNIST and ImageNet generator: 4 + 4 convolutions of 4x4, 16-32-64-128 channels.

    The encoder halves the image four times, the decoder doubles it back. The text leaves the
    strides and the decoder's last widths open: here each half is the mirror of the other and the
    last convolution gives the image's channels.

    Args:
        channels: of the image.
        num_classes: K, needed for conditioning on the label; None is the paper's g(x).
        epsilon: bound of the noise.
        width: channels of the first convolution.
        textures: whether every class has a texture, see `ClassTextures`.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int | None,
        epsilon: float,
        width: int = 16,
        textures: bool = False,
    ) -> None:
        super().__init__()
        a, b, c, d = width, 2 * width, 4 * width, 8 * width
        self.epsilon = epsilon
        self.encoder = nn.Sequential(_down(channels, a), _down(a, b), _down(b, c), _down(c, d))
        self.decoder_deep = nn.Sequential(_up(d, c), _up(c, b))
        self.classes = None if num_classes is None else ClassMaps(num_classes)
        joined = b + (0 if num_classes is None else _CLASS_CHANNELS)
        self.decoder_fine = nn.Sequential(
            _up(joined, a), nn.ConvTranspose2d(a, channels, 4, stride=2, padding=1)
        )
        self.patterns = None if num_classes is None else ClassPatterns(num_classes, channels)
        self.textures = _textures(num_classes, channels) if textures else None

    @property
    def last(self) -> nn.Module:
        """The convolution that gives the image's channels."""
        return self.decoder_fine[-1]

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Noise (B, C, H, W) in [-epsilon, epsilon] for x (B, C, H, W) in [0, 1], y (B,) int64."""
        hidden = self.decoder_deep(self.encoder(_pad_to_stride(x) - 0.5))
        noise = self.decoder_fine(_join(self.classes, hidden, y))
        noise = _join(self.patterns, noise[:, :, : x.shape[2], : x.shape[3]], y)
        return self.epsilon * torch.tanh(_join(self.textures, noise, y, x))


class UNet(nn.Module):
    """A U-Net, the paper's CIFAR-10 generator: the encoder-decoder with every stage handed across.

    The paper names no sizes for it; this one has the widths of the encoder-decoder and one
    convolution at full resolution before and after.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int | None,
        epsilon: float,
        width: int = 16,
        textures: bool = False,
    ) -> None:
        super().__init__()
        a, b, c, d = width, 2 * width, 4 * width, 8 * width
        self.epsilon = epsilon
        self.full = nn.Sequential(nn.Conv2d(channels, a, 3, padding=1), _norm(a), nn.ReLU())
        self.down1, self.down2 = _down(a, a), _down(a, b)
        self.down3, self.down4 = _down(b, c), _down(c, d)
        self.classes = None if num_classes is None else ClassMaps(num_classes)
        joined = 0 if num_classes is None else _CLASS_CHANNELS
        self.up4, self.up3 = _up(d, c), _up(c + c, b)
        self.up2, self.up1 = _up(b + b + joined, a), _up(a + a, a)
        self.last = nn.Conv2d(a + a, channels, 3, padding=1)
        self.patterns = None if num_classes is None else ClassPatterns(num_classes, channels)
        self.textures = _textures(num_classes, channels) if textures else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Noise (B, C, H, W) in [-epsilon, epsilon] for x (B, C, H, W) in [0, 1], y (B,) int64."""
        full = self.full(_pad_to_stride(x) - 0.5)
        half = self.down1(full)
        quarter = self.down2(half)
        eighth = self.down3(quarter)
        hidden = self.up4(self.down4(eighth))
        hidden = self.up3(torch.cat([hidden, eighth], 1))
        hidden = self.up2(_join(self.classes, torch.cat([hidden, quarter], 1), y))
        hidden = self.up1(torch.cat([hidden, half], 1))
        noise = self.last(torch.cat([hidden, full], 1))
        noise = _join(self.patterns, noise[:, :, : x.shape[2], : x.shape[3]], y)
        return self.epsilon * torch.tanh(_join(self.textures, noise, y, x))


def _pad_to_stride(x: Tensor) -> Tensor:
    rows, columns = -x.shape[2] % STRIDE, -x.shape[3] % STRIDE
    if rows == 0 and columns == 0:
        return x
    return pad(x, (0, columns, 0, rows), mode="replicate")


def _resized(images: Tensor, height: int, width: int) -> Tensor:
    if images.shape[2:] == (height, width):
        return images
    return interpolate(images, (height, width), mode="bilinear", align_corners=False)


def _textures(num_classes: int | None, channels: int) -> ClassTextures:
    if num_classes is None:
        raise ValueError("textures belong to classes: the number of classes is needed")
    return ClassTextures(num_classes, channels)


def _join(part: nn.Module | None, hidden: Tensor, y: Tensor | None, *more: Tensor) -> Tensor:
    """`hidden` with what belongs to the classes `y`; `hidden` itself if the part is None."""
    if part is None:
        return hidden
    if y is None:
        raise ValueError("this generator is conditioned on the label: labels are needed")
    return torch.as_tensor(part(hidden, *more, y))


def patterns_of(generator: nn.Module) -> ClassPatterns:
    """The class patterns of a label-conditioned generator.

    Raises:
        ValueError: it has none.
    """
    patterns = getattr(generator, "patterns", None)
    if not isinstance(patterns, ClassPatterns):
        raise ValueError("this generator has no class patterns")
    return patterns


def textures_of(generator: nn.Module) -> ClassTextures:
    """The class textures of a generator.

    Raises:
        ValueError: it has none.
    """
    textures = getattr(generator, "textures", None)
    if not isinstance(textures, ClassTextures):
        raise ValueError("this generator has no class textures")
    return textures


@torch.no_grad()
def silence(generator: nn.Module) -> None:
    """Let a fresh generator give nothing yet beside what its classes start from."""
    assert isinstance(generator, EncoderDecoder | UNet)
    for parameter in generator.last.parameters():
        parameter.zero_()


GeneratorBuilder = Callable[[int, int | None, float, int, bool], nn.Module]
GENERATORS: dict[str, GeneratorBuilder] = {"encoder-decoder": EncoderDecoder, "unet": UNet}


def build_generator(
    name: str,
    channels: int,
    num_classes: int | None,
    epsilon: float,
    width: int,
    textures: bool = False,
) -> nn.Module:
    """A fresh generator with random weights from torch's global generator.

    Raises:
        ValueError: no generator of that name; the message lists those there are. Or textures for a
            generator that is not told the classes.
    """
    if name not in GENERATORS:
        raise ValueError(f"no generator named {name!r}; there are: {', '.join(GENERATORS)}")
    return GENERATORS[name](channels, num_classes, epsilon, width, textures)

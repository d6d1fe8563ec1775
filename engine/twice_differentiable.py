"""Layers of the imaginary victim whose second derivative is as cheap as their first.

The hypergradient differentiates a gradient. PyTorch's own second derivatives of a convolution and
of batch normalisation are built from many passes over the activations, and one of them convolves
with kernels as large as the image; on a CPU they cost several times the arithmetic. Here:

- a convolution out = x * w is bilinear, and so are its two adjoints. Each of the three maps has the
  other two as its derivatives, so any order of derivative runs on the three kernels that ordinary
  training uses.
- batch normalisation has its second derivative in closed form: five sums per channel, then each
  result is one combination of the tensors at hand.

Values and derivatives are those of `torch.nn`, to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from engine.victims import forget_running_statistics

Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]


def _backward(g: Tensor, x: Tensor, w: Tensor, geometry: Geometry, mask: list[bool]) -> Any:
    stride, padding, dilation, groups = geometry
    return torch.ops.aten.convolution_backward(
        g, x, w, None, stride, padding, dilation, False, [0, 0], groups, mask
    )


class _Convolve(Function):
    """x, w -> x * w."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry = geometry
        stride, padding, dilation, groups = geometry
        return torch.conv2d(x, w, None, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        need_x, need_w, _ = ctx.needs_input_grad
        # The weights are constants of the second derivative: see `make_imaginary`.
        at_x = _ToInput.apply(g, w.detach(), x.detach(), ctx.geometry) if need_x else None
        at_w = _ToWeight.apply(x, g, w.detach(), ctx.geometry) if need_w else None
        return at_x, at_w, None


class _ToInput(Function):
    """g, w -> the adjoint in x of x * w; `like` gives the shape of x."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, w: Tensor, like: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(g, w)
        ctx.geometry = geometry
        at_x: Tensor = _backward(g, like, w, geometry, [True, False, False])[0]
        return at_x

    @staticmethod
    def backward(ctx: Any, u: Tensor) -> Any:
        g, w = ctx.saved_tensors
        need_g, need_w, _, _ = ctx.needs_input_grad
        at_g = _Convolve.apply(u, w, ctx.geometry) if need_g else None
        at_w = _ToWeight.apply(u, g, w.detach(), ctx.geometry) if need_w else None
        return at_g, at_w, None, None


class _ToWeight(Function):
    """x, g -> the adjoint in w of x * w; `like` gives the shape of w."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, g: Tensor, like: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, g)
        ctx.geometry = geometry
        at_w: Tensor = _backward(g, x, like, geometry, [False, True, False])[1]
        return at_w

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        x, g = ctx.saved_tensors
        need_x, need_g, _, _ = ctx.needs_input_grad
        at_x = _ToInput.apply(g, v, x.detach(), ctx.geometry) if need_x else None
        at_g = _Convolve.apply(x, v, ctx.geometry) if need_g else None
        return at_x, at_g, None, None


class _Normalise(Function):
    """x, gamma, beta -> gamma * (x - mean) / std + beta with the batch's own mean and std."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        out, mean, r = torch.native_batch_norm(x, gamma, beta, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, gamma, mean, r)
        ctx.eps = eps
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, gamma, mean, r = ctx.saved_tensors
        return (*_NormaliseBackward.apply(g, x, gamma.detach(), mean, r, ctx.eps), None)


class _NormaliseBackward(Function):
    """The gradient of batch normalisation, differentiable in g and x.

    With h = (x - mean) * r, the normalised x, and P(z) = z - mean(z) - h * mean(z h), a projection,
    the gradient in x is gamma * r * P(g). P is its own adjoint, and the derivative of h is r * P.
    """

    @staticmethod
    def forward(
        ctx: Any, g: Tensor, x: Tensor, gamma: Tensor, mean: Tensor, r: Tensor, eps: float
    ) -> Any:
        at_x, at_gamma, at_beta = _batch_norm_backward(g, x, gamma, mean, r, eps)
        ctx.save_for_backward(g, x, gamma, mean, r, at_gamma, at_beta)
        ctx.eps = eps
        return at_x, at_gamma, at_beta

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Tensor, a: Tensor, b: Tensor) -> Any:
        g, x, gamma, mean, r, sum_gh, sum_g = ctx.saved_tensors
        n = x.numel() / x.shape[1]
        shape = (1, -1) + (1,) * (x.dim() - 2)
        # r * P(u), sum of u * h, sum of u
        rpu, sum_uh, _ = _batch_norm_backward(u, x, None, mean, r, ctx.eps)

        def wide(per_channel: Tensor) -> Tensor:
            return per_channel.view(shape)

        ar = a * r
        at_g = torch.addcmul(wide(b - ar * mean), x, wide(ar)).addcmul_(rpu, wide(gamma))
        # r * P(c) for c = alpha * g + delta * u, and what x does through r = 1 / std.
        alpha, delta = a - gamma * r * sum_uh / n, -gamma * r * sum_gh / n
        axes = [0, *range(2, x.dim())]
        dot = (rpu * g).sum(axes)  # sum of u * r * P(g)
        on_g = r * alpha
        on_h = -on_g * sum_gh / n - r * gamma * dot / n
        on_1 = -on_g * sum_g / n
        at_x = torch.addcmul(wide(on_1 - on_h * r * mean), x, wide(on_h * r))
        at_x.addcmul_(g, wide(on_g)).addcmul_(rpu, wide(delta))
        return at_g, at_x, None, None, None, None


def _batch_norm_backward(
    g: Tensor, x: Tensor, gamma: Tensor | None, mean: Tensor, r: Tensor, eps: float
) -> Any:
    return torch.ops.aten.native_batch_norm_backward(
        g, x, gamma, None, None, mean, r, True, eps, [True, True, True]
    )


class _BatchNorm2d(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Normalise.apply(x, self.weight, self.bias, self.eps)
        return out


class _BatchNorm1d(nn.BatchNorm1d):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Normalise.apply(x, self.weight, self.bias, self.eps)
        return out


class _Conv2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        out: Tensor = _Convolve.apply(x, self.weight, geometry)
        return out if self.bias is None else out + self.bias[:, None, None]


_QUICK: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: _Conv2d,
    nn.BatchNorm1d: _BatchNorm1d,
    nn.BatchNorm2d: _BatchNorm2d,
}


def make_imaginary(victim: nn.Module) -> nn.Module:
    """Make a victim ready to be differentiated twice; returns the same module.

    - Its BatchNorms forget their running statistics.
    - Convolutions and batch normalisations get the second derivatives of this file, which treat the
      weights as constants: right for `engine.bilevel.image_hypergradient`, which differentiates in
      the image, and for nothing that differentiates a gradient in theta.
    - Weights are stored channels last, which is the order that CPU kernels are quickest in.
    """
    for module in forget_running_statistics(victim).modules():
        quick = _QUICK.get(type(module))
        if quick is not None and _has_second_derivative(module):
            module.__class__ = quick
    return victim.to(memory_format=torch.channels_last)


def _has_second_derivative(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return bool(getattr(module, "affine", False))

"""A generator that has been trained, and its form as bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from safetensors.torch import load, save
from torch import Tensor, nn

from engine.generators import build_generator
from engine.plan import PlanError, TrainingPlan

_FORMAT = "unlearnable-generator-2"


@dataclass(frozen=True)
class CurvePoint:
    """One trial scored on the held-out part of the training data, in percent."""

    trial: int
    steps: int
    seconds: float
    accuracy: float
    targeted_success: float | None


@dataclass(frozen=True)
class Summary:
    """How a training went.

    Attributes:
        steps: training steps done.
        trials: trials done.
        seconds: wall-clock seconds of training, selection included.
        curve: the held-out scores, oldest first.
        chosen_trial: the trial whose generator was kept.
    """

    steps: int
    trials: int
    seconds: float
    curve: tuple[CurvePoint, ...]
    chosen_trial: int

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Summary:
        """A summary from `to_json`."""
        curve = tuple(CurvePoint(**point) for point in values["curve"])
        return cls(**{**values, "curve": curve})


@dataclass
class TrainedGenerator:
    """A generator with everything needed to protect images with it.

    Attributes:
        network: the module, noise = network(x, y).
        plan: the plan it was trained under.
        channels: 1 or 3.
        num_classes: K of the training data.
        summary: how the training went.
    """

    network: nn.Module = field(repr=False)
    plan: TrainingPlan
    channels: int
    num_classes: int
    summary: Summary

    def to_bytes(self) -> bytes:
        """The weights as safetensors, the rest as JSON in its metadata. No pickle anywhere."""
        about = {
            "plan": self.plan.to_json(),
            "channels": self.channels,
            "num_classes": self.num_classes,
            "summary": self.summary.to_json(),
        }
        return pack(self.network.state_dict(), _FORMAT, about)

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainedGenerator:
        """The generator that `to_bytes` wrote.

        Raises:
            PlanError: the bytes are something else.
        """
        weights, about = unpack(data, _FORMAT)
        plan = TrainingPlan.from_json(about["plan"])
        network = new_generator(plan, about["channels"], about["num_classes"])
        network.load_state_dict(weights)
        return cls(
            network=network.eval(),
            plan=plan,
            channels=about["channels"],
            num_classes=about["num_classes"],
            summary=Summary.from_json(about["summary"]),
        )


def new_generator(plan: TrainingPlan, channels: int, num_classes: int) -> nn.Module:
    """A fresh generator as the plan asks for it, random weights from torch's global generator."""
    known = num_classes if plan.conditioning == "label" else None
    return build_generator(
        plan.generator, channels, known, plan.epsilon, plan.width, plan.textures > 0
    )


def pack(tensors: dict[str, Tensor], form: str, about: dict[str, Any]) -> bytes:
    """Tensors and JSON values as one safetensors file in memory."""
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    return save(contiguous, metadata={"format": form, "about": json.dumps(about)})


def unpack(data: bytes, form: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `pack` packed, if it has the form asked for.

    Raises:
        PlanError: damaged bytes, or another form.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        tensors = load(data)
    except Exception as error:  # safetensors raises its own types, without a common base
        raise PlanError("these bytes are not a file that this engine wrote") from error
    if metadata.get("format") != form:
        raise PlanError(f"expected {form}, found {metadata.get('format')!r}")
    return tensors, json.loads(metadata["about"])

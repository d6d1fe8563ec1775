"""The state of a training between two trials, and its form as bytes."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.plan import PlanError, TrainingPlan
from engine.population import Population, Victim
from engine.trained import CurvePoint, Summary, TrainedGenerator, new_generator, pack, unpack

_FORMAT = "unlearnable-training-3"


@dataclass
class TrainingState:
    """All that the next trial depends on, and what is to be reported at the end.

    Attributes:
        plan: the plan, unchanged through the training.
        data: fingerprint of images, labels and number of classes.
        channels: of the images.
        num_classes: K.
        total_steps: decided once, at the start; what makes a resumed training the same training.
        trial: trials done.
        steps: training steps done.
        seconds: wall-clock seconds, over all starts.
        g_prime: the learning generator; equal to the frozen one between trials.
        optimizer: its Adam.
        best: weights of the chosen trial's generator; None before the first selection.
        chosen_trial: that trial.
        curve: the held-out scores so far.
        population: the imaginary victims that go on in later trials.
    """

    plan: TrainingPlan
    data: str
    channels: int
    num_classes: int
    total_steps: int
    trial: int
    steps: int
    seconds: float
    g_prime: nn.Module
    optimizer: torch.optim.Adam
    best: dict[str, Tensor] | None
    chosen_trial: int
    curve: list[CurvePoint]
    population: Population

    def to_bytes(self) -> bytes:
        """Weights and optimizer state as safetensors, the rest as JSON in its metadata."""
        tensors = {f"g_prime/{name}": t for name, t in self.g_prime.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam/{index}/{name}": t for name, t in moments.items()}
        if self.best is not None:
            tensors |= {f"best/{name}": t for name, t in self.best.items()}
        for place, victim in self.population.victims.items():
            tensors |= {f"victim/{place}/{name}": t for name, t in victim.theta.items()}
        about: dict[str, Any] = {
            "plan": self.plan.to_json(),
            "data": self.data,
            "channels": self.channels,
            "num_classes": self.num_classes,
            "total_steps": self.total_steps,
            "trial": self.trial,
            "steps": self.steps,
            "seconds": self.seconds,
            "chosen_trial": self.chosen_trial,
            "curve": [asdict(point) for point in self.curve],
            "victims": {
                str(place): {"born": victim.born, "age": victim.age}
                for place, victim in self.population.victims.items()
            },
        }
        return pack(tensors, _FORMAT, about)

    @classmethod
    def from_bytes(cls, data: bytes, device: torch.device) -> TrainingState:
        """The state that `to_bytes` wrote, on the device.

        Raises:
            PlanError: the bytes are something else.
        """
        tensors, about = unpack(data, _FORMAT)
        plan = TrainingPlan.from_json(about["plan"])
        g_prime = new_generator(plan, about["channels"], about["num_classes"]).to(device)
        g_prime.load_state_dict(_under("g_prime/", tensors))
        optimizer = new_optimizer(g_prime, plan)
        moments: dict[int, dict[str, Tensor]] = {}
        for path, tensor in _under("adam/", tensors).items():
            index, name = path.split("/")
            moments.setdefault(int(index), {})[name] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
        best = {name: t.to(device) for name, t in _under("best/", tensors).items()}
        victims = {}
        for place, known in about["victims"].items():
            theta = _under(f"victim/{place}/", tensors)
            theta = {name: t.to(device) for name, t in theta.items()}
            victims[int(place)] = Victim(known["born"], known["age"], theta)
        return cls(
            plan=plan,
            data=about["data"],
            channels=about["channels"],
            num_classes=about["num_classes"],
            total_steps=about["total_steps"],
            trial=about["trial"],
            steps=about["steps"],
            seconds=about["seconds"],
            g_prime=g_prime,
            optimizer=optimizer,
            best=best or None,
            chosen_trial=about["chosen_trial"],
            curve=[CurvePoint(**point) for point in about["curve"]],
            population=Population(victims),
        )

    def trained(self) -> TrainedGenerator:
        """The generator that the held-out part has chosen by now."""
        network = new_generator(self.plan, self.channels, self.num_classes)
        network.load_state_dict(self.g_prime.state_dict() if self.best is None else self.best)
        summary = Summary(
            steps=self.steps,
            trials=self.trial,
            seconds=self.seconds,
            curve=tuple(self.curve),
            chosen_trial=self.chosen_trial,
        )
        return TrainedGenerator(network.eval(), self.plan, self.channels, self.num_classes, summary)

    def check(self, plan: TrainingPlan, data: str) -> None:
        """Raise PlanError unless this is a state of the same plan on the same data."""
        if self.plan != plan:
            raise PlanError("the checkpoint belongs to another plan")
        if self.data != data:
            raise PlanError("the checkpoint belongs to other images or labels")


def generator_from_checkpoint(checkpoint: bytes) -> TrainedGenerator:
    """The generator that the held-out part had chosen when the checkpoint was written."""
    return TrainingState.from_bytes(checkpoint, torch.device("cpu")).trained()


def new_optimizer(g_prime: nn.Module, plan: TrainingPlan) -> torch.optim.Adam:
    """Adam, as in the paper, section 5."""
    return torch.optim.Adam(g_prime.parameters(), lr=plan.generator_lr)


def fingerprint(images: Tensor, labels: Tensor, num_classes: int) -> str:
    """SHA-256 over the training data, to refuse a checkpoint of another dataset."""
    digest = hashlib.sha256(repr((tuple(images.shape), num_classes)).encode())
    digest.update(images.cpu().numpy().tobytes())
    digest.update(labels.cpu().numpy().tobytes())
    return digest.hexdigest()


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}

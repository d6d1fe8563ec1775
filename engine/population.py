"""Imaginary victims of mixed ages: who g learns to confuse at each trial.

The paper's victim starts again at every trial. Short trials, which protect sooner, then show g
beginners only, while a learner trains for thousands of mini-batches. Here a few victims take turns,
and each goes on where its last trial ended until it is due to start again: the first of a
population of P after a P-th of the lifetime, the last after all of it, so that ages stay mixed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from engine.bilevel import Weights, weights_of
from engine.plan import TrainingPlan
from engine.randomness import seeded_module
from engine.tensors import channels_last
from engine.twice_differentiable import make_imaginary
from engine.victims import build_victim


@dataclass
class Victim:
    """An imaginary victim between two of its trials.

    Attributes:
        born: the trial at whose beginning it had random weights.
        age: mini-batches that it has learned from.
        theta: its weights by name.
    """

    born: int
    age: int
    theta: Weights

    def __post_init__(self) -> None:
        # Kernels choose by the order in memory, which a checkpoint does not keep: this one always.
        self.theta = {
            name: channels_last(weight) if weight.dim() == 4 else weight.contiguous()
            for name, weight in self.theta.items()
        }


@dataclass
class Population:
    """The victims that go on, by place; empty where each starts again, as in the paper."""

    victims: dict[int, Victim] = field(default_factory=dict)

    def at_trial(
        self, trial: int, steps: int, plan: TrainingPlan, like: Tensor, num_classes: int
    ) -> tuple[nn.Module, Victim]:
        """The victim whose turn it is, for a trial of `steps` mini-batches, and its network.

        Args:
            trial: counts from 0.
            steps: mini-batches of the trial.
            plan: names the victims and how long they live.
            like: images (N, C, H, W) on the device that the victim is to be on.
            num_classes: K.
        """
        place = trial % plan.population
        victim = self.victims.get(place)
        retires = plan.lifetime * (place + 1) / plan.population
        if victim is not None and victim.age + steps <= retires:
            return _network(plan, victim.born, like, num_classes), victim
        network = _network(plan, trial, like, num_classes)
        return network, Victim(trial, 0, weights_of(network))

    def keep(self, trial: int, victim: Victim, plan: TrainingPlan) -> None:
        """Let the victim of this trial go on when it is its turn again, if victims live on."""
        if plan.lifetime:
            self.victims[trial % plan.population] = victim


def _network(plan: TrainingPlan, born: int, like: Tensor, num_classes: int) -> nn.Module:
    """As it was at birth: which network and which random weights follow from the trial."""
    _, channels, height, width = like.shape
    name = plan.victims[born % len(plan.victims)]
    network = seeded_module(
        lambda: build_victim(name, channels, height, width, num_classes), plan.seed, "victim", born
    )
    return make_imaginary(network.to(like.device)).train()

"""Imaginary victims that go on from trial to trial."""

from dataclasses import replace

import torch

from engine import TrainingPlan
from engine.population import Population, Victim

PLAN = TrainingPlan(
    epsilon=0.3, victims=("small-strided", "paper-mnist-cnn"), population=2, lifetime=20
)
IMAGES = torch.zeros(1, 1, 12, 12, dtype=torch.uint8)


def ages(plan: TrainingPlan, trials: int) -> list[tuple[int, int]]:
    """Where and how old the victims are whose turn it is, trial by trial of 5 mini-batches."""
    population, found = Population(), []
    for trial in range(trials):
        _, victim = population.at_trial(trial, 5, plan, IMAGES, 3)
        found.append((victim.born, victim.age))
        older = Victim(victim.born, victim.age + 5, victim.theta)
        population.keep(trial, older, plan)
    return found


def test_the_paper_starts_a_victim_at_every_trial() -> None:
    plan = replace(PLAN, population=1, lifetime=0)
    assert ages(plan, 4) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_a_victim_lives_for_its_places_part_of_the_lifetime() -> None:
    # The first of two ends after 10 mini-batches, the second after 20.
    found = ages(PLAN, 10)
    assert found[:5] == [(0, 0), (1, 0), (0, 5), (1, 5), (4, 0)]
    assert found[5:] == [(1, 10), (4, 5), (1, 15), (8, 0), (9, 0)]


def test_a_victim_goes_on_with_its_own_weights_and_network() -> None:
    population = Population()
    network, victim = population.at_trial(1, 5, PLAN, IMAGES, 3)
    theta = {name: weight + 1.0 for name, weight in victim.theta.items()}
    population.keep(1, Victim(1, 5, theta), PLAN)
    again, older = population.at_trial(3, 5, PLAN, IMAGES, 3)
    assert [type(m) for m in again.modules()] == [type(m) for m in network.modules()]
    for name, weight in victim.theta.items():
        assert torch.equal(older.theta[name], weight + 1.0), name


def test_weights_are_kept_in_one_order_of_memory() -> None:
    weight = torch.rand(4, 3, 2, 2)
    one, other = (
        Victim(0, 0, {"w": w})
        for w in (weight, weight.contiguous(memory_format=torch.channels_last))
    )
    assert one.theta["w"].stride() == other.theta["w"].stride()

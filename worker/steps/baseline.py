"""Train a victim on the clean images before there are protected ones: see `flow.add_baselines`."""

from worker.steps.evaluate import run

__all__ = ["run"]

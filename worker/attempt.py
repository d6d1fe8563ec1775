"""One attempt at one step: run it, and write down what came of it.

    python -m worker.attempt STEP_ID LEASE_TOKEN

is the process in which a supervisor runs a step. It ends when its standard input does, so it
never outlives its supervisor.
"""

import importlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from core import steps
from core.database import transaction
from core.doorbell import ring
from core.object_store import dataset_prefix
from core.problem import Problem
from core.tables import Step
from worker import flow
from worker.context import Cancelled, Drained, StepContext, open_context
from worker.layouts.problem import BadDataset

StepFunction = Callable[[StepContext], dict[str, Any]]

log = logging.getLogger(__name__)


def step_function(kind: str) -> StepFunction:
    """The function `run` of `worker.steps.<kind>`; importing it may import torch."""
    function: StepFunction = importlib.import_module(f"worker.steps.{kind}").run
    return function


def run(claim: steps.Claim) -> None:
    """Run a claimed step to its end, and say in the database how it ended."""
    with open_context(claim) as context:
        _run(claim, context, step_function(claim.kind))


def _run(claim: steps.Claim, context: StepContext, function: StepFunction) -> None:
    try:
        result = function(context)
        with transaction() as session:
            flow.advance(session, claim, result)
        log.info("%s: %s done", claim.step_id, claim.kind)
    except (Cancelled, steps.LeaseLost) as stop:
        log.info("%s: %s stops: %s", claim.step_id, claim.kind, type(stop).__name__)
    except Drained:
        with transaction() as session:
            pool = session.get_one(Step, claim.step_id).pool
            steps.give_back(session, claim)
        ring(pool)
    except BadDataset as bad:
        _discard(context)
        _fail(claim, Problem(bad.code, bad.message, bad.member))
    except MemoryError as error:
        _fail(claim, _out_of_memory(error))
    except RuntimeError as error:
        if "out of memory" in str(error).lower():
            _fail(claim, _out_of_memory(error))
        else:
            _fail(claim, _crashed(error))
    except Exception as error:
        _fail(claim, _crashed(error))


def _discard(context: StepContext) -> None:
    """Nothing half-made remains of an upload that cannot be used."""
    claim = context.claim
    context.store.delete_prefix(dataset_prefix(claim.tenant_id, claim.dataset_id))


def _fail(claim: steps.Claim, problem: Problem) -> None:
    try:
        with transaction() as session:
            flow.fail(session, claim, problem)
    except steps.LeaseLost:
        log.info("%s: failed after its lease was lost: %s", claim.step_id, problem.code)


def _out_of_memory(error: BaseException) -> Problem:
    return Problem(
        "out_of_memory",
        f"The step ran out of memory ({type(error).__name__}). Use a smaller dataset, or a "
        "worker with more memory.",
        retryable=True,
    )


def _crashed(error: Exception) -> Problem:
    log.error("".join(traceback.format_exception(error)))
    # Not the error's own text: it may name files of this machine, or of the dataset.
    return Problem(
        "step_failed",
        f"The step failed unexpectedly ({type(error).__name__}). This is a fault of the service; "
        "its log has the details.",
        retryable=True,
    )


def _end_with_supervisor() -> None:
    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, name="end-with-supervisor", daemon=True).start()


def main() -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    _end_with_supervisor()
    with transaction() as session:
        claim = steps.get(session, sys.argv[1], int(sys.argv[2]))
    with open_context(claim) as context:
        context.drain_on_sigterm()
        _run(claim, context, step_function(claim.kind))


if __name__ == "__main__":
    main()

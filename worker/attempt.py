"""One attempt at one step: run it, and write down what came of it.

`main` is what the process does in which a supervisor runs a step. It ends when its standard input
does, so it never outlives its supervisor.
"""

import contextlib
import importlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from core import logs, steps
from core.database import write_patiently
from core.object_store import dataset_prefix
from core.problem import Problem, Refused
from core.settings import get_settings
from worker import flow
from worker.context import Cancelled, Drained, StepContext, open_context
from worker.faults import STORE_AWAY, explain, is_worth_another_try
from worker.layouts import BadDataset
from worker.outage import sit_out

RETRY_SECONDS = 5.0
NAME_CHARACTERS = 15  # as many as the kernel keeps

StepFunction = Callable[[StepContext], dict[str, Any]]

log = logging.getLogger(__name__)


def step_function(kind: str) -> StepFunction:
    """The function `run` of `worker.steps.<kind>`; importing it may import torch."""
    function: StepFunction = importlib.import_module(f"worker.steps.{kind}").run
    return function


def run(claim: steps.Claim) -> None:
    """Run a claimed step to its end, and say in the database how it ended."""
    with contextlib.suppress(steps.LeaseLost), open_context(claim) as context:
        _run(claim, context, step_function(claim.kind))


def _run(claim: steps.Claim, context: StepContext, function: StepFunction) -> None:
    patience = context.settings.lease_seconds
    try:
        result = function(context)
        write_patiently(lambda session: flow.advance(session, claim, result), patience)
        log.info("%s: %s done", claim.step_id, claim.kind)
    except (Cancelled, steps.LeaseLost) as stop:
        log.info("%s: %s stops: %s", claim.step_id, claim.kind, type(stop).__name__)
    except Drained:
        write_patiently(lambda session: flow.give_back(session, claim), patience)
    except BadDataset as bad:
        _end(claim, patience, _refusal(bad))
        if claim.job_id is not None:
            return  # what it read belongs to its job, and goes as that of any job that failed
        # Only now, with the verdict written under the lease: whoever lost it deletes nothing. If
        # the store is away, the sweeper deletes.
        with contextlib.suppress(*STORE_AWAY):
            context.store.delete_prefix(dataset_prefix(claim.tenant_id, claim.dataset_id))
    except Refused as refused:
        _end(claim, patience, refused.problem)
    except Exception as error:
        if is_worth_another_try(error):
            _try_again(claim, context, explain(error))
        else:
            _end(claim, patience, explain(error))


def _refusal(bad: BadDataset) -> Problem:
    report: dict[str, Any] = {**bad.report}
    return Problem(bad.code, bad.message, bad.member, report=report)


def _end(claim: steps.Claim, patience: float, problem: Problem) -> None:
    # A baseline's failure is told nowhere else. Only the code: messages may name an owner's files.
    log.warning("%s: %s fails: %s", claim.step_id, claim.kind, problem.code)
    write_patiently(lambda session: flow.fail(session, claim, problem), patience)


def _try_again(claim: steps.Claim, context: StepContext, problem: Problem) -> None:
    """Leave the step to another attempt: in good order after an outage, else as a loss."""
    settings = context.settings
    patience = settings.lease_seconds
    if sit_out(context.store, context.scratch, settings.outage_seconds):
        write_patiently(lambda session: flow.give_back(session, claim), patience)
        return
    time.sleep(RETRY_SECONDS * claim.token)  # whatever it was may pass
    write_patiently(lambda session: flow.lose(session, claim, problem, settings.max_lost), patience)


def _end_with_supervisor() -> None:
    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, name="end-with-supervisor", daemon=True).start()


def process_name(step_id: str) -> str:
    """What the process of a step is called, as `ps` and `top` show it."""
    return step_id[-NAME_CHARACTERS:]


def main(step_id: str, token: int) -> NoReturn:
    """Run the step whose lease has this token, in a process that ends with it."""
    Path("/proc/self/comm").write_text(process_name(step_id))
    _end_with_supervisor()
    claim = write_patiently(
        lambda session: steps.get(session, step_id, token), get_settings().lease_seconds
    )
    logs.add(**claim.log_fields)
    with contextlib.suppress(steps.LeaseLost), open_context(claim) as context:
        context.drain_on_sigterm()
        _run(claim, context, step_function(claim.kind))
    logging.shutdown()
    os._exit(0)  # all is written down; taking torch apart in order would cost a second

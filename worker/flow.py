"""What follows what: the steps of a job, and when a job has begun, advanced and ended.

    ingest                                   (a dataset)
    train -> protect -> evaluate x n -> report   (a job; with a trained generator from protect on)
    baseline x n                             (beside `train`; the evaluation finds what they made)
    train -> perturb x n -> protect -> ...       (a job on a large dataset)
    compare -> evaluate x n -> report            (the evaluation of a pair of datasets)
    images                                       (a few images, whose owner waits)
    convert                                      (a protected dataset in another layout)
    summarize                                    (a study, whose other parts are jobs)

Each function runs inside the transaction of its caller, so a step that is done and the step that
follows it appear together or not at all.
"""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import conversions, few_images, lifecycle, quotas, speeds, steps, studies
from core.ids import new_id
from core.pools import COMPUTE
from core.problem import Problem, Refused
from core.settings import get_settings
from core.tables import Artifact, Dataset, Generator, Job, Step
from worker import baselines
from worker.shard_ranges import ranges

INGEST, TRAIN, PERTURB, PROTECT = "ingest", "train", "perturb", "protect"
BASELINE, COMPARE, EVALUATE, REPORT = "baseline", "compare", "evaluate", "report"
IMAGES, CONVERT, SUMMARIZE = few_images.KIND, conversions.STEP, studies.STEP

PHASES = {
    TRAIN: "training",
    PERTURB: "protecting",
    PROTECT: "protecting",
    BASELINE: "evaluating",
    COMPARE: "evaluating",
    EVALUATE: "evaluating",
    REPORT: "evaluating",
    IMAGES: "protecting",
    CONVERT: "converting",
    SUMMARIZE: "evaluating",
}
KINDS = frozenset({INGEST, *PHASES})  # a module of `worker.steps` each
# Behind whatever else its tenant has waiting: an owner's priorities are between -10 and 10.
BEHIND = 100


def begin(session: Session, claim: steps.Claim) -> bool:
    """A worker has claimed a step: its job runs, in the phase that the step stands for.

    Returns:
        False if the job was cancelled or paused between the claim and now, or is too late, or if
        the result is known already or being made by another step.

    Raises:
        steps.LeaseLost: the job ended between the claim and now.
    """
    if claim.job_id is None:
        return True
    job = lifecycle.lock_job(session, claim.job_id)
    steps.write(session, claim)  # raises if the job's end dropped it
    if lifecycle.enforce_deadline(session, job):
        return False
    if job.status in {lifecycle.CANCELLING, lifecycle.PAUSING}:
        _put_back(session, claim, job)
        return False
    if job.status == lifecycle.QUEUED:
        lifecycle.change_job(session, job, lifecycle.RUNNING)
    if claim.kind != BASELINE:
        lifecycle.enter_phase(session, job, PHASES[claim.kind])
    return claim.kind not in {BASELINE, EVALUATE} or _shall_train(session, claim, job)


def _shall_train(session: Session, claim: steps.Claim, job: Job) -> bool:
    """Whether a step has to train its victim, or can take over or wait for a known baseline."""
    elsewhere = baselines.is_trained_elsewhere(session, job, claim.step_id, claim.payload)
    result = baselines.known(session, job, claim.payload)
    if claim.kind == BASELINE and (result is not None or elsewhere):
        steps.drop(session, claim)  # the evaluation will take it over, or wait for it
    elif result is not None:
        steps.finish(session, claim, result)
        _report_if_evaluated(session, job)
    elif elsewhere:
        steps.give_back(session, claim, steps.WAITING)
    return result is None and not elsewhere


def release_waiting(session: Session, step_id: str) -> None:
    """Let a waiting step go on: with the baseline that it waited for, or to train it after all."""
    step = session.get_one(Step, step_id)
    assert step.job_id is not None
    job = lifecycle.lock_job(session, step.job_id)
    session.refresh(step, with_for_update=True)
    if step.status != steps.WAITING:
        return
    result = baselines.known(session, job, step.payload)
    if result is not None:
        _take_over(step, result)
        _report_if_evaluated(session, job)
    elif not baselines.is_trained_elsewhere(session, job, step.id, step.payload):
        step.status = lifecycle.waiting_status(job)


def advance(session: Session, claim: steps.Claim, result: dict[str, Any]) -> None:
    """A step is done: note it, and add what comes next.

    Raises:
        steps.LeaseLost: the step was somebody else's; nothing may be written.
    """
    job = _lock_subject(session, claim)
    goes_on = job is not None and job.status in {lifecycle.RUNNING, lifecycle.PAUSING}
    if job is not None and goes_on and claim.kind in {BASELINE, EVALUATE}:
        # Before the step, whose end is charged to the tenant: in the order of `begin`.
        baselines.keep(session, job, claim.payload, result)
    steps.finish(session, claim, result)
    for name, (units, seconds) in result.get("speeds", {}).items():
        speeds.note(session, name, units, seconds)
    if job is None:
        _dataset_is_ready(session, claim, result)
    elif goes_on:
        if claim.kind == TRAIN:
            _add_protection(session, job)
        elif claim.kind == PERTURB:
            if _is_done(session, job, PERTURB):
                _add(session, job, PROTECT)
        elif claim.kind in {PROTECT, COMPARE}:
            steps.drop_queued(session, job.id, BASELINE)
            for payload in result["evaluations"]:
                _add_evaluation(session, job, payload)
            _report_if_evaluated(session, job)
        elif claim.kind == EVALUATE:
            _report_if_evaluated(session, job)
        elif claim.kind != BASELINE:
            _publish(session, job, result)
    if job is not None:
        lifecycle.settle(session, job)


def add_baselines(session: Session, claim: steps.Claim, payloads: list[dict[str, Any]]) -> None:
    """While a job's generator is trained, let other workers train its clean baselines.

    Args:
        session: of the caller's transaction.
        claim: of the training.
        payloads: of the trainings on clean images that the job's evaluation will ask for. Those
            that are known, or were added by an earlier attempt, are left out.

    Raises:
        steps.LeaseLost: the step is not this worker's any more.
    """
    assert claim.job_id is not None
    job = lifecycle.lock_job(session, claim.job_id)
    steps.write(session, claim)
    if job.status != lifecycle.RUNNING:
        return
    mine = select(Step.payload).where(Step.job_id == job.id, Step.kind == BASELINE)
    there = session.scalars(mine).all()
    for payload in payloads:
        if payload not in there and baselines.known(session, job, payload) is None:
            _add(session, job, BASELINE, payload)


def _lock_subject(session: Session, claim: steps.Claim) -> Job | None:
    """Lock what a step is of, before the step: its job, or else the dataset that it reads."""
    if claim.job_id is not None:
        return lifecycle.lock_job(session, claim.job_id)
    lifecycle.lock_dataset(session, claim.dataset_id)
    return None


def give_back(session: Session, claim: steps.Claim) -> None:
    """Stop a step in good order, to be taken up again from its last checkpoint.

    Raises:
        steps.LeaseLost: the step was somebody else's; nothing may be written.
    """
    if claim.job_id is None:
        steps.give_back(session, claim)
    else:
        _put_back(session, claim, lifecycle.lock_job(session, claim.job_id))


def _put_back(session: Session, claim: steps.Claim, job: Job) -> None:
    if job.status == lifecycle.CANCELLING:
        steps.drop(session, claim)
    else:
        steps.give_back(session, claim, lifecycle.waiting_status(job))
    lifecycle.settle(session, job)


def reject(session: Session, claim: steps.Claim, problem: Problem) -> None:
    """An upload cannot be used."""
    _lock_subject(session, claim)
    steps.fail(session, claim)
    _reject(session, claim, problem)


def _reject(session: Session, claim: steps.Claim, problem: Problem) -> None:
    dataset = lifecycle.lock_dataset(session, claim.dataset_id)
    if dataset is not None and dataset.status == lifecycle.VALIDATING:
        lifecycle.change_dataset(session, dataset, lifecycle.REJECTED, problem)


def fail(session: Session, claim: steps.Claim, problem: Problem) -> None:
    """A step failed for good, and with it its job or dataset."""
    if claim.job_id is None:
        reject(session, claim, problem)
        return
    job = lifecycle.lock_job(session, claim.job_id)
    steps.fail(session, claim)
    _fail_job(session, claim, job, problem)


def _fail_job(session: Session, claim: steps.Claim, job: Job, problem: Problem) -> None:
    # A baseline was only tried ahead, beside a training that is sound; the evaluation tries again.
    if claim.kind != BASELINE and job.status in {
        lifecycle.QUEUED,
        lifecycle.RUNNING,
        lifecycle.PAUSING,
    }:
        lifecycle.change_job(session, job, lifecycle.FAILED, problem)
    lifecycle.settle(session, job)


def lose(
    session: Session,
    claim: steps.Claim,
    problem: Problem,
    max_lost: int,
    *,
    only_if_expired: bool = False,
) -> None:
    """The process that worked on a step is gone; `problem` is told if it was once too often.

    Raises:
        steps.LeaseLost: the step is in other hands, or (`only_if_expired`) its lease was renewed.
    """
    job = _lock_subject(session, claim)
    again = lifecycle.waiting_status(job) if job else steps.QUEUED
    if not steps.lose(session, claim, max_lost, only_if_expired=only_if_expired, status=again):
        subject = claim.job_id or claim.dataset_id
        lifecycle.record(
            session, claim.tenant_id, subject, "step.lost", kind=claim.kind, code=problem.code
        )
        if job is not None:
            lifecycle.settle(session, job)
    elif job is None:
        _reject(session, claim, problem)
    else:
        _fail_job(session, claim, job, problem)


def end_cancelled(session: Session, job_id: str) -> bool:
    """Make a cancelling job cancelled once none of its steps runs. True if it is cancelled."""
    job = lifecycle.lock_job(session, job_id)
    lifecycle.settle(session, job)
    return job.status == lifecycle.CANCELLED


def results(session: Session, claim: steps.Claim, kind: str) -> list[dict[str, Any]]:
    """Payload and result of every finished step of one kind in the claim's job, oldest first."""
    rows = session.scalars(
        select(Step)
        .where(Step.job_id == claim.job_id, Step.kind == kind, Step.status == steps.DONE)
        .order_by(Step.id)
    )
    return [{"payload": step.payload, "result": step.result} for step in rows]


def _add(session: Session, job: Job, kind: str, payload: dict[str, Any] | None = None) -> Step:
    return steps.enqueue(
        session,
        kind=kind,
        pool=COMPUTE,
        tenant_id=job.tenant_id,
        dataset_id=job.dataset_id,
        job_id=job.id,
        payload=payload,
        status=lifecycle.waiting_status(job),
        priority=job.priority - (BEHIND if kind == BASELINE else 0),
        # The job's place in the queue, but for what is done ahead: that comes last of all tenants'.
        queued_at=None if kind == BASELINE else job.created_at,
    )


def _add_protection(session: Session, job: Job) -> None:
    """One step for a small dataset; for a large one shards that several workers perturb."""
    summary = session.scalar(select(Dataset.summary).where(Dataset.id == job.dataset_id))
    shards = ranges(summary, get_settings().shard_bytes) if summary else []
    if len(shards) < 2:
        _add(session, job, PROTECT)
        return
    for start, stop in shards:
        _add(session, job, PERTURB, {"start": start, "stop": stop})


def _add_evaluation(session: Session, job: Job, payload: dict[str, Any]) -> None:
    """Add the training of one fresh victim; a baseline that is known is taken over."""
    step = _add(session, job, EVALUATE, payload)
    result = baselines.known(session, job, payload)
    if result is not None:
        _take_over(step, result)


def _take_over(step: Step, result: dict[str, Any]) -> None:
    step.status = steps.DONE
    step.progress = 1.0
    step.result = result
    step.finished_at = func.now()


def _report_if_evaluated(session: Session, job: Job) -> None:
    if _is_done(session, job, EVALUATE):
        _add(session, job, REPORT)


def _is_done(session: Session, job: Job, kind: str) -> bool:
    """Whether every step of a kind is done."""
    session.flush()
    open_ = session.scalar(
        select(Step.id)
        .where(Step.job_id == job.id, Step.kind == kind, Step.status != steps.DONE)
        .limit(1)
    )
    return open_ is None


def _publish(session: Session, job: Job, result: dict[str, Any]) -> None:
    """The job's results become visible, all at once."""
    for artifact in result["artifacts"]:
        session.add(Artifact(id=new_id("art"), tenant_id=job.tenant_id, job_id=job.id, **artifact))
    if job.kind == "protection":
        session.add(_generator(job, result["generator"]))
    if "evaluation" in result:
        job.evaluation = result["evaluation"]
    job.metrics = {**job.metrics, **result.get("metrics", {})}
    job.progress = 1.0
    lifecycle.change_job(session, job, lifecycle.SUCCEEDED)


def _generator(job: Job, trained: dict[str, Any]) -> Generator:
    weights = trained["generator"]
    return Generator(
        id=new_id("gen"),
        tenant_id=job.tenant_id,
        job_id=job.id,
        object_key=weights["object_key"],
        size_bytes=weights["size_bytes"],
        sha256=weights["sha256"],
        training={name: trained[name] for name in ("plan", "summary", "seconds")},
    )


def _dataset_is_ready(session: Session, claim: steps.Claim, result: dict[str, Any]) -> None:
    dataset: Dataset | None = lifecycle.lock_dataset(session, claim.dataset_id)
    if dataset is None or dataset.status != lifecycle.VALIDATING:
        return
    counts = result["summary"].get("counts", {})
    try:
        images = sum(sum(by_class.values()) for by_class in counts.values())
        quotas.admit_images(session, dataset.tenant_id, images)
    except Refused as refused:
        lifecycle.change_dataset(session, dataset, lifecycle.REJECTED, refused.problem)
        return
    dataset.summary = result["summary"]
    dataset.canonical_prefix = result["canonical_prefix"]
    lifecycle.change_dataset(session, dataset, lifecycle.READY)

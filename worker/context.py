"""What a step is given: its claim, a scratch folder, the store, and a way to say how far it is."""

import logging
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core import steps
from core.database import transaction
from core.object_store import ObjectStore, dataset_prefix, job_prefix
from core.settings import Settings, get_settings
from worker import flow
from worker.faults import DATABASE_AWAY, STORE_AWAY
from worker.progress import note_progress

log = logging.getLogger(__name__)

REPORT_SECONDS = 0.5
# Metrics are kept once a second at first, later each time that the step has run this much longer:
# some hundred points, however long it takes.
KEEP_SECONDS = 1.0
KEEP_SHARE = 0.01
DRAIN_SECONDS = 15.0  # how long a draining step waits for its next checkpoint


class Cancelled(Exception):
    """The owner cancelled the job, or its deadline has passed."""


class Drained(Exception):
    """The worker shuts down or the job is paused; the step goes on from its last checkpoint."""


class StepContext:
    """The world of one running step. Not shared between threads."""

    def __init__(
        self, claim: steps.Claim, settings: Settings, store: ObjectStore, scratch: Path
    ) -> None:
        self.claim = claim
        self.settings = settings
        self.store = store
        self.scratch = scratch
        self._drain_at: float | None = None
        self._reported_at = 0.0
        self._started_at = time.monotonic()
        self._kept_at = 0.0
        self._checkpointed_at = time.monotonic()
        self._checkpoint_key = claim.checkpoint_key

    @property
    def attempt_prefix(self) -> str:
        """Where this attempt may write: nobody else does, and nothing there is public yet."""
        claim = self.claim
        if claim.job_id is None:
            owner = dataset_prefix(claim.tenant_id, claim.dataset_id)
        else:
            owner = job_prefix(claim.tenant_id, claim.job_id)
        return f"{owner}attempts/{claim.attempt}/"

    def drain_on_sigterm(self) -> None:
        """From now on, SIGTERM asks this step to stop at its next checkpoint."""

        def note(*_: Any) -> None:
            if self._drain_at is None:
                self._drain_at = time.monotonic()

        signal.signal(signal.SIGTERM, note)

    def progress(self, fraction: float, *, checkpoint_near: bool = False, **metrics: Any) -> None:
        """Say how far this step is (0 to 1). Call it as often as you like.

        Args:
            fraction: of this step's work.
            checkpoint_near: whether it is worth waiting for `checkpoint` when asked to stop.
            metrics: what the owner is told; a later value replaces an earlier one.

        Raises:
            Cancelled: the owner cancelled the job, or its deadline has passed.
            Drained: the step was asked to stop and no checkpoint is near.
            steps.LeaseLost: the step belongs to another worker now.
        """
        now = time.monotonic()
        if self._drain_at is not None:
            waited = now - self._drain_at
            if not checkpoint_near or waited > DRAIN_SECONDS:
                raise Drained
        if now - self._reported_at < REPORT_SECONDS and fraction < 1:
            return
        self._reported_at = now
        keep = now - self._kept_at >= max(KEEP_SECONDS, KEEP_SHARE * (now - self._started_at))
        try:
            with transaction() as session:
                stop = note_progress(
                    session, self.claim, min(max(fraction, 0.0), 1.0), metrics, keep=keep
                )
        except DATABASE_AWAY as error:
            log.warning("%s: progress not written: %s", self.claim.step_id, type(error).__name__)
            return
        if keep:
            self._kept_at = now
        if stop:
            raise Cancelled

    def is_checkpoint_due(self) -> bool:
        """Whether the last checkpoint is old, or this step was asked to stop."""
        age = time.monotonic() - self._checkpointed_at
        return self._drain_at is not None or age >= self.settings.checkpoint_seconds

    def checkpoint(self, state: bytes) -> None:
        """Keep a state from which the step can go on.

        Raises:
            Drained: the step was asked to stop; the state is stored.
            steps.LeaseLost: the step belongs to another worker now.
        """
        try:
            self._store_checkpoint(state)
            self._checkpointed_at = time.monotonic()
        except (*DATABASE_AWAY, *STORE_AWAY) as error:
            # The training is sound; the next trial tries again.
            log.warning("%s: no checkpoint: %s", self.claim.step_id, type(error).__name__)
        if self._drain_at is not None:
            raise Drained

    def _store_checkpoint(self, state: bytes) -> None:
        key = f"{self.attempt_prefix}checkpoint-{time.time_ns()}"
        self.store.put_bytes(key, state)
        try:
            with transaction() as session:
                # Whoever was lost before has not kept this step from getting further.
                steps.write(session, self.claim, checkpoint_key=key, lost_count=0)
        except steps.LeaseLost:
            self.store.delete(key)
            raise
        if self._checkpoint_key:
            self.store.delete(self._checkpoint_key)
        self._checkpoint_key = key

    def last_checkpoint(self) -> bytes | None:
        """The state that an earlier attempt left; None if the store has it no more.

        A store that was copied after its database has the checkpoints of a later moment.
        """
        key = self.claim.checkpoint_key
        try:
            return self.store.get_bytes(key) if key else None
        except self.store.client.exceptions.NoSuchKey:
            log.warning("%s: its checkpoint is gone; from the start", self.claim.step_id)
            return None

    def result_of(self, kind: str) -> dict[str, Any]:
        """What the (only) finished step of this kind in the same job wrote down."""
        result: dict[str, Any] = self.results_of(kind)[0]["result"]
        return result

    def results_of(self, kind: str) -> list[dict[str, Any]]:
        with transaction() as session:
            return flow.results(session, self.claim, kind)


def scratch_of(claim: steps.Claim) -> Path:
    """The folder for the working files of an attempt."""
    return get_settings().scratch_dir / claim.attempt


@contextmanager
def open_context(claim: steps.Claim) -> Iterator[StepContext]:
    """A context with an empty scratch folder that is gone afterwards."""
    settings = get_settings()
    scratch = scratch_of(claim)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, mode=0o700)
    try:
        yield StepContext(claim, settings, ObjectStore.from_settings(settings), scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)

"""Jobs, the steps that workers claim, and what both leave behind.

A step is the unit that a worker claims: the ingestion of a dataset, or one part of a job. It
carries the lease. Datasets and jobs carry what owners are told.
"""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, desc, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.tables.base import JSON, Base
from core.tables.datasets import Dataset


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_tenant_id_id", "tenant_id", "id"),
        Index(
            "ix_jobs_open",
            "tenant_id",
            postgresql_where="status NOT IN ('succeeded', 'failed', 'cancelled')",
        ),
        Index("ix_jobs_deadline_at", "deadline_at", postgresql_where="finished_at IS NULL"),
        Index("ix_jobs_parent_id", "parent_id", postgresql_where="parent_id IS NOT NULL"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    status: Mapped[str]
    phase: Mapped[str | None]
    # As the owner wrote it ("8/255"); `core.epsilon` gives the exact number.
    epsilon: Mapped[str]
    label_map: Mapped[list[int] | None]
    seed: Mapped[int] = mapped_column(BigInteger)
    budget_seconds: Mapped[int]
    # "protection" trains a generator, "application" uses `generator_id` and so does "images",
    # "evaluation" compares, "conversion" writes what `parent_id` has protected in another layout;
    # of a "study" the other parts are jobs with it as their parent.
    kind: Mapped[str] = mapped_column(default="protection", server_default=text("'protection'"))
    generator_id: Mapped[str | None]  # no foreign key: generators name the job that made them
    compared_dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    # How it shall be done, see `core.job_options`; a job from before they were has none.
    options: Mapped[JSON] = mapped_column(default=dict, server_default=text("'{}'"))
    # Among the jobs of one tenant, higher ones go first.
    priority: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    progress: Mapped[float] = mapped_column(default=0.0)
    metrics: Mapped[JSON] = mapped_column(default=dict)
    estimated_finish_at: Mapped[datetime | None]
    # Kilobytes that polling and lists have no use for: loaded by whoever undefers it.
    evaluation: Mapped[JSON | None] = mapped_column(deferred=True)
    error: Mapped[JSON | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    # By when it must have ended, if its owner said so.
    deadline_at: Mapped[datetime | None]
    # When it last entered each state and phase, in ISO 8601.
    timestamps: Mapped[JSON] = mapped_column(default=dict, server_default=text("'{}'"))
    # Since when it rests, if it does, and how long it has rested before: no part of its duration.
    paused_at: Mapped[datetime | None]
    paused_seconds: Mapped[float] = mapped_column(default=0.0, server_default="0")
    purged_at: Mapped[datetime | None]

    dataset: Mapped[Dataset] = relationship(lazy="raise", foreign_keys=[dataset_id])


class Step(Base):
    """One claimable piece of work and its lease.

    `lease_token` counts the claims: every write of a worker names the token it was given, so a
    worker that was thought dead cannot overwrite its successor.
    """

    __tablename__ = "steps"
    __table_args__ = (
        # In the order in which `core.steps.claim` looks.
        Index(
            "ix_steps_queued",
            "pool",
            "tenant_id",
            desc("priority"),
            "queued_at",
            "id",
            postgresql_where="status = 'queued'",
        ),
        Index("ix_steps_waiting", "id", postgresql_where="status = 'waiting'"),
        Index("ix_steps_running", "lease_expires_at", postgresql_where="status = 'running'"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(
        ForeignKey("datasets.id", ondelete="CASCADE"), index=True
    )
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    kind: Mapped[str]
    pool: Mapped[str]
    status: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    # What tells the steps of one kind apart, such as the victim and the seed of an evaluation.
    payload: Mapped[JSON] = mapped_column(default=dict)
    result: Mapped[JSON | None]
    progress: Mapped[float] = mapped_column(default=0.0)
    checkpoint_key: Mapped[str | None]
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    # When the attempt that has the step now, or had it last, began.
    claimed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    lease_token: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[datetime | None]
    lost_count: Mapped[int] = mapped_column(default=0)


class Baseline(Base):
    """What a fresh victim learns from the clean images of a dataset: trained once, by one step.

    `key` is a digest over the tenant, the bytes of the upload, the software's version and how the
    victim is trained, so that every job which needs the same finds it.
    """

    __tablename__ = "baselines"
    __table_args__ = (Index("ix_baselines_dataset", "tenant_id", "dataset_sha256"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_sha256: Mapped[str]
    # Who trains it, or has trained it.
    step_id: Mapped[str]
    result: Mapped[JSON | None]


class Artifact(Base):
    __tablename__ = "artifacts"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    kind: Mapped[str]
    name: Mapped[str]
    content_type: Mapped[str]
    object_key: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Generator(Base):
    """A trained generator; its weights are also an artifact of the job that trained it."""

    __tablename__ = "generators"
    __table_args__ = (Index("ix_generators_tenant_id_id", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    object_key: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    # plan, summary and seconds of the training, as the worker wrote them.
    training: Mapped[JSON]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    job: Mapped[Job] = relationship(lazy="raise")


class Speed(Base):
    """Measured seconds for a unit of one kind of work; see `core.speeds`."""

    __tablename__ = "speeds"

    name: Mapped[str] = mapped_column(primary_key=True)
    seconds_per_unit: Mapped[float]
    samples: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class MetricPoint(Base):
    """What a step of a job measured at one moment; the longer it runs, the farther apart."""

    __tablename__ = "metric_points"
    __table_args__ = (Index("ix_metric_points_job_id_id", "job_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    phase: Mapped[str]
    # Which of several victims that are trained side by side: victim, seed and side.
    source: Mapped[JSON] = mapped_column(default=dict)
    metrics: Mapped[JSON]
    at: Mapped[datetime] = mapped_column(server_default=func.now())

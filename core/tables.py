"""The schema. Owners see tenants' datasets, jobs and artifacts; workers see steps.

A step is the unit that a worker claims: the ingestion of a dataset, or one part of a job. It
carries the lease. Datasets and jobs carry what owners are told.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    Text,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

JSON = dict[str, Any]


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  declared by SQLAlchemy
        str: Text,
        datetime: DateTime(timezone=True),
        JSON: JSONB,
        list[str]: JSONB,
        list[int]: JSONB,
        list[JSON]: JSONB,
    }


class Tenant(Base):
    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    # Limits of its own, by name; see `core.quotas`. What is not named is as the settings say.
    quotas: Mapped[JSON] = mapped_column(default=dict, server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ComputeUsage(Base):
    """Seconds that workers computed for a tenant on one day (UTC). Outlives what they were for."""

    __tablename__ = "compute_usage"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    seconds: Mapped[float]


class ApiKey(Base):
    """A bearer key. Only its HMAC is stored; `hint` is the part that may be shown.

    After a rotation the secret before it works until `previous_expires_at`.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str]
    hint: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    previous_digest: Mapped[str | None] = mapped_column(unique=True)
    previous_expires_at: Mapped[datetime | None]
    # See `core.scopes`.
    scopes: Mapped[list[str]] = mapped_column(server_default=text("""'["all"]'"""))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Dataset(Base):
    __tablename__ = "datasets"
    __table_args__ = (Index("ix_datasets_tenant_id_id", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    status: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    upload_key: Mapped[str]
    canonical_prefix: Mapped[str | None]
    # The summary of the ingestion: layout, classes, counts, image_shape, test_split, notes.
    summary: Mapped[JSON | None]
    error: Mapped[JSON | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ready_at: Mapped[datetime | None]
    # The original is deleted so long after validation; without it, as the settings say.
    retention_seconds: Mapped[int | None] = mapped_column(BigInteger)
    # When the store last held nothing that this dataset does not need.
    purged_at: Mapped[datetime | None]


class Erasure(Base):
    """That a dataset and all that was made of it was asked to be erased, and what was. It stays."""

    __tablename__ = "erasures"
    __table_args__ = (
        Index("ix_erasures_tenant_id_id", "tenant_id", "id"),
        Index("ix_erasures_open", "id", postgresql_where="completed_at IS NULL"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), unique=True)
    # Counted before anything is deleted; none until then.
    objects: Mapped[int | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    # kind, job_id, size_bytes and sha256 of the original and of each artifact.
    files: Mapped[list[JSON]] = mapped_column(default=list, server_default=text("'[]'"))
    job_ids: Mapped[list[str]] = mapped_column(default=list, server_default=text("'[]'"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    completed_at: Mapped[datetime | None]


class Upload(Base):
    """A file that is uploaded in parts; `dataset_id` is chosen at once, since the key names it."""

    __tablename__ = "uploads"
    __table_args__ = (
        Index("ix_uploads_tenant_id_id", "tenant_id", "id"),
        Index(
            "ix_uploads_open",
            "expires_at",
            postgresql_where="status IN ('pending', 'completed')",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    dataset_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    status: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    part_size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    object_key: Mapped[str]
    store_upload_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


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


class Event(Base):
    """What happened to a dataset or a job, written in the transaction that made it so."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_subject_id_id", "subject_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    subject_id: Mapped[str]
    type: Mapped[str]
    data: Mapped[JSON] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AuditEvent(Base):
    """Who did what to what; the database refuses to change or delete one. See `core.audit`."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_tenant_id_id", "tenant_id", "id"),
        Index("ix_audit_events_object", "tenant_id", "object_id", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    actor_type: Mapped[str]
    api_key_id: Mapped[str | None]
    action: Mapped[str]
    object_id: Mapped[str]
    request_id: Mapped[str | None]
    details: Mapped[JSON]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Webhook(Base):
    """Where a tenant wants to be told of events. Its secrets are made from the salts."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_tenant_id_id", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    url: Mapped[str]
    description: Mapped[str]
    events: Mapped[list[str]]
    salt: Mapped[str]
    # The salt before, with which messages are also signed until then.
    old_salt: Mapped[str | None]
    old_salt_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    # Since when no attempt has succeeded, if the last one has not.
    failing_since: Mapped[datetime | None]


class WebhookDelivery(Base):
    """A message for one webhook: what shall be sent, and what became of it.

    While somebody sends it, `lease_expires_at` lies ahead and `next_attempt_at` is the same moment:
    a sender that dies leaves it to be sent again. `claims` counts the senders; each one's last
    write names the number it was given.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
        # In the order in which `worker.webhooks.queue` looks.
        Index(
            "ix_webhook_deliveries_pending",
            "webhook_id",
            "next_attempt_at",
            postgresql_where="status = 'pending'",
        ),
        Index(
            "ix_webhook_deliveries_leased",
            "lease_expires_at",
            postgresql_where="status = 'pending'",
        ),
        Index("ix_webhook_deliveries_finished_at", "finished_at"),
        Index("ix_webhook_deliveries_subject_id", "subject_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    # The same for all webhooks and attempts: receivers know by it what they have seen.
    event_id: Mapped[str]
    subject_id: Mapped[str]  # what it happened to
    type: Mapped[str]
    body: Mapped[str]  # the very characters that are signed
    status: Mapped[str]
    # Of the schedule, since the owner last asked for it: how many attempts have failed.
    failures: Mapped[int] = mapped_column(default=0)
    # The last attempts: at, status_code, error, latency_ms, response.
    attempts: Mapped[list[JSON]] = mapped_column(JSONB, default=list)
    next_attempt_at: Mapped[datetime | None]
    lease_expires_at: Mapped[datetime | None]
    claims: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


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


class IdempotencyKey(Base):
    """A POST that was sent with an `Idempotency-Key`, and its answer once there is one."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    status: Mapped[int | None]
    headers: Mapped[JSON | None]
    body: Mapped[bytes | None]

"""Datasets, from the upload to the receipt of their erasure."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.tables.base import JSON, Base


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

"""Erasures, and how long an original is kept"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261123_erasures"
down_revision = "20261123_api_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    empty = sa.text("'[]'")
    op.add_column("datasets", sa.Column("retention_seconds", sa.BigInteger(), nullable=True))
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.Text(), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("files", postgresql.JSONB(), server_default=empty, nullable=False),
        sa.Column("job_ids", postgresql.JSONB(), server_default=empty, nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", moment, nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_erasures_dataset_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_erasures_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("dataset_id", name=op.f("uq_erasures_dataset_id")),
    )
    op.create_index("ix_erasures_tenant_id_id", "erasures", ["tenant_id", "id"])
    op.create_index(
        "ix_erasures_open", "erasures", ["id"], postgresql_where=sa.text("completed_at IS NULL")
    )


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_column("datasets", "retention_seconds")

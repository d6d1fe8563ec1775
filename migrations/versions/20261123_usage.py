"""What tenants use, and how much they may"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261123_usage"
down_revision = "20261123_erasures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "tenants",
        sa.Column("quotas", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("steps", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "compute_usage",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_compute_usage_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "day", name=op.f("pk_compute_usage")),
    )
    op.create_index(op.f("ix_artifacts_tenant_id"), "artifacts", ["tenant_id"])
    op.create_index(
        "ix_jobs_open",
        "jobs",
        ["tenant_id"],
        postgresql_where=sa.text("status NOT IN ('succeeded', 'failed', 'cancelled')"),
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_open", table_name="jobs")
    op.drop_index(op.f("ix_artifacts_tenant_id"), table_name="artifacts")
    op.drop_table("compute_usage")
    op.drop_column("steps", "claimed_at")
    op.drop_column("tenants", "quotas")

"""A job's deadline"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_deadline"
down_revision = "20261123_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_jobs_deadline_at",
        "jobs",
        ["deadline_at"],
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_deadline_at", table_name="jobs")
    op.drop_column("jobs", "deadline_at")

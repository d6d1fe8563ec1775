"""Pause and priority"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_pause"
down_revision = "20261123_following"
branch_labels = None
depends_on = None

QUEUED = "status = 'queued'"


def upgrade() -> None:
    # Constant defaults: neither table is rewritten, and what an older version inserts stays valid.
    op.add_column(
        "jobs", sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.add_column("jobs", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "jobs", sa.Column("paused_seconds", sa.Double(), server_default="0", nullable=False)
    )
    op.add_column(
        "steps", sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.drop_index("ix_steps_queued", table_name="steps")
    op.create_index(
        "ix_steps_queued",
        "steps",
        ["pool", "tenant_id", sa.text("priority DESC"), "queued_at", "id"],
        postgresql_where=QUEUED,
    )


def downgrade() -> None:
    # An older version knows no resting job: it goes on.
    op.execute("UPDATE steps SET status = 'queued' WHERE status = 'held'")
    op.execute("UPDATE jobs SET status = 'queued' WHERE status = 'paused'")
    op.execute("UPDATE jobs SET status = 'running' WHERE status = 'pausing'")
    op.drop_index("ix_steps_queued", table_name="steps")
    op.create_index("ix_steps_queued", "steps", ["pool", "queued_at"], postgresql_where=QUEUED)
    op.drop_column("steps", "priority")
    op.drop_column("jobs", "paused_seconds")
    op.drop_column("jobs", "paused_at")
    op.drop_column("jobs", "priority")

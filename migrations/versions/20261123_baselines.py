"""Clean baselines in a table of their own"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261123_baselines"
down_revision = "20261123_generators"
branch_labels = None
depends_on = None

WAITING = "status = 'waiting'"


def upgrade() -> None:
    op.create_table(
        "baselines",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("dataset_sha256", sa.Text(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_baselines_tenant_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_baselines")),
    )
    op.create_index("ix_baselines_dataset", "baselines", ["tenant_id", "dataset_sha256"])
    op.create_index("ix_steps_waiting", "steps", ["id"], postgresql_where=WAITING)


def downgrade() -> None:
    # An older version does not know what these wait for: they train it themselves.
    op.execute("UPDATE steps SET status = 'queued' WHERE status = 'waiting'")
    op.drop_index("ix_steps_waiting", table_name="steps", postgresql_where=WAITING)
    op.drop_table("baselines")

"""Jobs have options"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261123_job_options"
down_revision = "20261123_training_steps"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "options",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.execute(
        "UPDATE jobs SET options = jsonb_build_object('training_steps', training_steps) "
        "WHERE training_steps IS NOT NULL"
    )
    op.drop_column("jobs", "training_steps")


def downgrade() -> None:
    op.add_column("jobs", sa.Column("training_steps", sa.Integer(), nullable=True))
    op.execute("UPDATE jobs SET training_steps = (options ->> 'training_steps')::integer")
    op.drop_column("jobs", "options")

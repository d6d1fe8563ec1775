"""A job may fix the number of its training steps"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_training_steps"
down_revision = "20261122_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("training_steps", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "training_steps")

"""Jobs of jobs: a protected dataset in another layout"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_parents"
down_revision = "20261123_deadline"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("parent_id", sa.Text(), nullable=True))
    op.create_foreign_key(op.f("fk_jobs_parent_id"), "jobs", "jobs", ["parent_id"], ["id"])
    op.create_index(
        "ix_jobs_parent_id", "jobs", ["parent_id"], postgresql_where="parent_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_parent_id", table_name="jobs")
    op.drop_constraint(op.f("fk_jobs_parent_id"), "jobs", type_="foreignkey")
    op.drop_column("jobs", "parent_id")

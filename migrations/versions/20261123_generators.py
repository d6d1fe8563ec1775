"""Trained generators stay; jobs apply one, and evaluations compare two datasets; measured speeds"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261123_generators"
down_revision = "20261123_uploads"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "generators",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("training", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_generators_job_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_generators_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generators")),
    )
    op.create_index(op.f("ix_generators_job_id"), "generators", ["job_id"])
    op.create_index("ix_generators_tenant_id_id", "generators", ["tenant_id", "id"])
    op.create_table(
        "speeds",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seconds_per_unit", sa.Double(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_speeds")),
    )
    op.add_column(
        "jobs",
        sa.Column("kind", sa.Text(), server_default=sa.text("'protection'"), nullable=False),
    )
    op.add_column("jobs", sa.Column("generator_id", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("compared_dataset_id", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_jobs_compared_dataset_id"), "jobs", "datasets", ["compared_dataset_id"], ["id"]
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_jobs_compared_dataset_id"), "jobs", type_="foreignkey")
    op.drop_column("jobs", "compared_dataset_id")
    op.drop_column("jobs", "generator_id")
    op.drop_column("jobs", "kind")
    op.drop_table("speeds")
    op.drop_table("generators")

"""API keys have scopes, an end, and a secret before the last rotation"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261123_api_keys"
down_revision = "20261123_baselines"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column(
        "api_keys",
        sa.Column(
            "scopes", postgresql.JSONB(), server_default=sa.text("""'["all"]'"""), nullable=False
        ),
    )
    op.add_column("api_keys", sa.Column("expires_at", moment, nullable=True))
    op.add_column("api_keys", sa.Column("previous_digest", sa.Text(), nullable=True))
    op.add_column("api_keys", sa.Column("previous_expires_at", moment, nullable=True))
    op.create_unique_constraint(
        op.f("uq_api_keys_previous_digest"), "api_keys", ["previous_digest"]
    )


def downgrade() -> None:
    op.drop_constraint(op.f("uq_api_keys_previous_digest"), "api_keys", type_="unique")
    for column in ("previous_expires_at", "previous_digest", "expires_at", "scopes"):
        op.drop_column("api_keys", column)

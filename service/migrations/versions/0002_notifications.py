"""Webhooks and their deliveries; an index for the credentials of a publisher.

Here: revision 0002, frozen as released. Not here: the present tables (`service.tables`). Credentials that were registered before are found
by the new search filters after `python -m service reindex`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_credential_publisher_id", "credential", ["publisher_id"], unique=False)
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.String(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_webhook_publisher_id", "webhook", ["publisher_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_delivery_webhook_id", "delivery", ["webhook_id"], unique=False)
    op.create_index("delivery_due", "delivery", ["state", "next_at"], unique=False)


def downgrade() -> None:
    op.drop_table("delivery")
    op.drop_table("webhook")
    op.drop_index("ix_credential_publisher_id", table_name="credential")

"""Key rotations of publishers under a did:web.

Here: revision 0007, frozen as released. Not here: the present tables (`service.tables`).
"""

import sqlalchemy as sa
from alembic import op

from datasigil.errors import DatasigilError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_rotation",
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("new_id", sa.Text(), nullable=False),
        sa.Column("new_key", sa.String(), nullable=False),
        sa.Column("authorizing_key", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("logged_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.id"]),
        sa.PrimaryKeyConstraint("request_digest"),
        sa.UniqueConstraint("log_index"),
    )
    op.create_index("ix_key_rotation_publisher_id", "key_rotation", ["publisher_id"])


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT count(*) FROM key_rotation")).scalar_one():
        raise DatasigilError(
            "KEY_ROTATIONS",
            "the log holds key rotations, which older tables cannot hold: their entries would stay without what they are about",
            place="key_rotation",
            next_action="stay at this version, or restore a backup from before the first rotation, which then refuses to sign",
        )
    op.drop_index("ix_key_rotation_publisher_id", table_name="key_rotation")
    op.drop_table("key_rotation")

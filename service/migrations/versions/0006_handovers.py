"""Handovers: the logs that this one continues, and its own end.

Here: revision 0006, frozen as released. Not here: the present tables (`service.tables`).
"""

import sqlalchemy as sa
from alembic import op

from datasigil.errors import DatasigilError

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handover",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin"),
        sa.UniqueConstraint("position"),
    )


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT count(*) FROM handover")).scalar_one():
        raise DatasigilError(
            "HANDED_OVER",
            "the log holds a handover, which older tables cannot hold: without it, a registry that has ended would sign again",
            place="handover",
            next_action="stay at this version, or restore a backup from before the handover, which then refuses to sign",
        )
    op.drop_table("handover")

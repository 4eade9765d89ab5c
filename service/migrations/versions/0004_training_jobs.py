"""Training jobs and their accepted results.

Here: revision 0004, frozen as released. Not here: the present tables (`service.tables`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "training_job",
        sa.Column("seq", _SERIAL, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("worker_did", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("recipe", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("lost_max", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("loss", sa.String(), nullable=False),
        sa.Column("eta_seconds", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.id"]),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_training_job_publisher_id", "training_job", ["publisher_id"], unique=False)
    op.create_index("training_job_queue", "training_job", ["worker_did", "state", "seq"], unique=False)
    op.create_table(
        "training_result",
        sa.Column("job_seq", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("card", sa.LargeBinary(), nullable=False),
        sa.Column("credential_seq", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["job_seq"], ["training_job.seq"]),
        sa.ForeignKeyConstraint(["credential_seq"], ["credential.seq"]),
        sa.PrimaryKeyConstraint("job_seq"),
    )
    op.create_index("ix_training_result_credential_seq", "training_result", ["credential_seq"], unique=False)


def downgrade() -> None:
    op.drop_table("training_result")
    op.drop_table("training_job")

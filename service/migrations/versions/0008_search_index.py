"""What searches filter by, beside each credential's number in one narrow index; a credential's own digests by its number.

Here: revision 0008, frozen as released. Not here: the present tables (`service.tables`). No row changes.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS = ["seq", "type", "role", "issued", "registered_at", "revoked", "suspended", "publisher_id"]


def upgrade() -> None:
    op.create_index("credential_search", "credential", COLUMNS, unique=False)
    op.create_index("known_digest_credential", "known_digest", ["credential_seq", "kind"], unique=False)


def downgrade() -> None:
    op.drop_index("known_digest_credential", table_name="known_digest")
    op.drop_index("credential_search", table_name="credential")

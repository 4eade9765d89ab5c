"""Narrow indices: what searches filter by; a credential's own digests; what lineage credentials say was made.

Here: revision 0008, frozen as released. Not here: the present tables (`service.tables`). No row changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS = ["seq", "type", "role", "issued", "registered_at", "revoked", "suspended", "publisher_id"]


def upgrade() -> None:
    op.create_index("credential_search", "credential", COLUMNS, unique=False)
    op.create_index("known_digest_credential", "known_digest", ["credential_seq", "kind"], unique=False)
    made = sa.text("kind = 'generated'")
    op.create_index(
        "known_digest_generated",
        "known_digest",
        ["kind", "sha256", "credential_seq"],
        sqlite_where=made,
        postgresql_where=made,
    )


def downgrade() -> None:
    op.drop_index("known_digest_generated", table_name="known_digest")
    op.drop_index("known_digest_credential", table_name="known_digest")
    op.drop_index("credential_search", table_name="credential")

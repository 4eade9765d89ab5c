"""The first tables.

Here: revision 0001, frozen as released. Not here: the present tables (`service.tables`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "challenge",
        sa.Column("value_hash", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("value_hash"),
    )
    op.create_index("ix_challenge_expires_at", "challenge", ["expires_at"], unique=False)

    op.create_table(
        "log_entry",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_table(
        "log_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=False),
        sa.Column("cosigned_at", sa.BigInteger(), nullable=False),
        sa.Column("fencing", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "log_tile",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position"),
    )
    op.create_table(
        "manifest",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "publisher",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("did", sa.Text(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("did"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "credential",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("license", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("issued", sa.String(), nullable=False),
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("manifest_public", sa.Boolean(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.id"]),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("log_index"),
    )
    op.create_index("credential_type_issuer", "credential", ["type", "issuer"], unique=False)
    op.create_index("ix_credential_issuer", "credential", ["issuer"], unique=False)
    op.create_index("ix_credential_license", "credential", ["license"], unique=False)
    op.create_index("ix_credential_manifest_digest", "credential", ["manifest_digest"], unique=False)
    op.create_index("ix_credential_subject_id", "credential", ["subject_id"], unique=False)

    op.create_table(
        "idempotent_reply",
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.id"]),
        sa.PrimaryKeyConstraint("publisher_id", "key_hash"),
    )
    op.create_index("ix_idempotent_reply_expires_at", "idempotent_reply", ["expires_at"], unique=False)

    op.create_table(
        "status_list",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=False),
        sa.Column("tree_size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("url"),
    )
    op.create_index("ix_status_list_publisher_id", "status_list", ["publisher_id"], unique=False)
    op.create_index("ix_status_list_signed_at", "status_list", ["signed_at"], unique=False)

    op.create_table(
        "token",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("publisher_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret_hash"),
    )
    op.create_index("ix_token_publisher_id", "token", ["publisher_id"], unique=False)

    op.create_table(
        "edge",
        sa.Column("child_seq", sa.BigInteger(), nullable=False),
        sa.Column("parent_digest", sa.String(), nullable=False),
        sa.Column("relation", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["child_seq"], ["credential.seq"]),
        sa.PrimaryKeyConstraint("child_seq", "parent_digest", "relation"),
    )
    op.create_index("ix_edge_parent_digest", "edge", ["parent_digest"], unique=False)

    op.create_table(
        "known_digest",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("credential_seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["credential_seq"], ["credential.seq"]),
        sa.PrimaryKeyConstraint("sha256", "credential_seq", "kind"),
    )
    op.create_table(
        "search_term",
        sa.Column(
            "term", sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("credential_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["credential_seq"], ["credential.seq"]),
        sa.PrimaryKeyConstraint("term", "credential_seq"),
    )
    op.create_table(
        "status_change",
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("credential_seq", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("value", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["credential_seq"], ["credential.seq"]),
        sa.PrimaryKeyConstraint("request_digest"),
        sa.UniqueConstraint("log_index"),
    )
    op.create_index("ix_status_change_credential_seq", "status_change", ["credential_seq"], unique=False)

    op.create_table(
        "status_index",
        sa.Column("list_url", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("credential_seq", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["credential_seq"], ["credential.seq"]),
        sa.PrimaryKeyConstraint("list_url", "position"),
    )
    op.create_index("ix_status_index_credential_seq", "status_index", ["credential_seq"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_status_index_credential_seq", table_name="status_index")

    op.drop_table("status_index")
    op.drop_index("ix_status_change_credential_seq", table_name="status_change")

    op.drop_table("status_change")
    op.drop_table("search_term")
    op.drop_table("known_digest")
    op.drop_index("ix_edge_parent_digest", table_name="edge")

    op.drop_table("edge")
    op.drop_index("ix_token_publisher_id", table_name="token")

    op.drop_table("token")
    op.drop_index("ix_status_list_signed_at", table_name="status_list")
    op.drop_index("ix_status_list_publisher_id", table_name="status_list")

    op.drop_table("status_list")
    op.drop_index("ix_idempotent_reply_expires_at", table_name="idempotent_reply")

    op.drop_table("idempotent_reply")
    op.drop_index("ix_credential_subject_id", table_name="credential")
    op.drop_index("ix_credential_manifest_digest", table_name="credential")
    op.drop_index("ix_credential_license", table_name="credential")
    op.drop_index("ix_credential_issuer", table_name="credential")
    op.drop_index("credential_type_issuer", table_name="credential")

    op.drop_table("credential")
    op.drop_table("publisher")
    op.drop_table("manifest")
    op.drop_table("log_tile")
    op.drop_table("log_state")
    op.drop_table("log_entry")
    op.drop_index("ix_challenge_expires_at", table_name="challenge")

    op.drop_table("challenge")

"""The registry's tables, defined once with SQLModel for SQLite and PostgreSQL.

Lives here: columns, keys and indices, and the Core `Table` of each for the repositories. Not here: SQL statements
(the repositories) and how a database gets these tables (`migrations/`).

More than 400 lines, because it is one list: a class for each table. Instants are whole seconds since 1970 UTC; digests are 64 lower-case hexadecimal digits; signed bytes are kept as received.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint, text
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

# SQLite's rowid alias must be spelled INTEGER; PostgreSQL needs 64 bits.
SERIAL: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
# Prefix search compares bytes, so the term's order must not depend on the server's locale.
BYTEWISE: TypeEngine[str] = String(64).with_variant(String(64, collation="C"), "postgresql")


class Publisher(SQLModel, table=True):
    """A DID whose control was proven, or that an operator invited."""

    __tablename__ = "publisher"
    id: int | None = Field(default=None, sa_column=Column(SERIAL, primary_key=True))
    did: str = Field(sa_column=Column(Text, unique=True, nullable=False))
    slug: str = Field(unique=True)
    name: str = ""
    role: str = "publisher"
    active: bool = True
    created_at: int = Field(sa_type=BigInteger)


class Token(SQLModel, table=True):
    """A bearer token, of which only SHA-256 is stored."""

    __tablename__ = "token"
    id: str = Field(primary_key=True)
    secret_hash: str = Field(unique=True)
    publisher_id: int = Field(sa_type=BigInteger, foreign_key="publisher.id", index=True)
    name: str = ""
    scopes: str
    created_at: int = Field(sa_type=BigInteger)
    expires_at: int = Field(sa_type=BigInteger)
    revoked_at: int | None = Field(default=None, sa_type=BigInteger)


class Challenge(SQLModel, table=True):
    """A challenge that a presentation must answer once; stored as SHA-256."""

    __tablename__ = "challenge"
    value_hash: str = Field(primary_key=True)
    expires_at: int = Field(sa_type=BigInteger, index=True)


class Credential(SQLModel, table=True):
    """A registered credential: its signed bytes, and what search and pages need from them."""

    __tablename__ = "credential"
    __table_args__ = (
        Index("credential_type_issuer", "type", "issuer"),
        # What searches filter by, without the documents in between: walking it costs a hundredth of walking the rows.
        Index(
            "credential_search",
            "seq",
            "type",
            "role",
            "issued",
            "registered_at",
            "revoked",
            "suspended",
            "publisher_id",
        ),
    )
    seq: int | None = Field(default=None, sa_column=Column(SERIAL, primary_key=True))
    id: str = Field(sa_column=Column(Text, unique=True, nullable=False))
    digest: str = Field(unique=True)
    document: bytes = Field(sa_type=LargeBinary)
    type: str
    profile: str = ""
    role: str = ""
    issuer: str = Field(sa_column=Column(Text, nullable=False, index=True))
    publisher_id: int = Field(sa_type=BigInteger, foreign_key="publisher.id", index=True)
    subject_id: str = Field(default="", sa_column=Column(Text, nullable=False, index=True))
    name: str = Field(default="", sa_type=Text)
    version: str = Field(default="", sa_type=Text)
    license: str = Field(default="", sa_column=Column(Text, nullable=False, index=True))
    valid_from: int = Field(sa_type=BigInteger)
    valid_until: int | None = Field(default=None, sa_type=BigInteger)
    issued: str = ""
    manifest_digest: str = Field(default="", index=True)
    manifest_public: bool = False
    log_index: int = Field(sa_type=BigInteger, unique=True)
    registered_at: int = Field(sa_type=BigInteger)
    revoked: bool = False
    suspended: bool = False


class Manifest(SQLModel, table=True):
    """The canonical bytes of an uploaded manifest."""

    __tablename__ = "manifest"
    digest: str = Field(primary_key=True)
    body: bytes = Field(sa_type=LargeBinary)


class KnownDigest(SQLModel, table=True):
    """A SHA-256 under which a credential can be looked up."""

    __tablename__ = "known_digest"
    __table_args__ = (
        Index("known_digest_credential", "credential_seq", "kind"),
        Index(
            "known_digest_generated",
            *("kind", "sha256", "credential_seq"),
            sqlite_where=text("kind = 'generated'"),
            postgresql_where=text("kind = 'generated'"),
        ),
    )
    sha256: str = Field(primary_key=True)
    credential_seq: int = Field(sa_type=BigInteger, foreign_key="credential.seq", primary_key=True)
    kind: str = Field(primary_key=True)
    path: str = Field(default="", sa_type=Text)


class SearchTerm(SQLModel, table=True):
    """One word by which a credential is found."""

    __tablename__ = "search_term"
    term: str = Field(sa_column=Column(BYTEWISE, primary_key=True))
    credential_seq: int = Field(sa_type=BigInteger, foreign_key="credential.seq", primary_key=True)


class Edge(SQLModel, table=True):
    """`child` names `parent_digest` in its signed content."""

    __tablename__ = "edge"
    child_seq: int = Field(sa_type=BigInteger, foreign_key="credential.seq", primary_key=True)
    parent_digest: str = Field(primary_key=True, index=True)
    relation: str = Field(primary_key=True)


class StatusListRow(SQLModel, table=True):
    """A status list that this registry keeps and signs: its bits and the signed bytes last released."""

    __tablename__ = "status_list"
    id: int | None = Field(default=None, sa_column=Column(SERIAL, primary_key=True))
    url: str = Field(sa_column=Column(Text, unique=True, nullable=False))
    slug: str
    purpose: str
    publisher_id: int = Field(sa_type=BigInteger, foreign_key="publisher.id", index=True)
    bits: bytes = Field(sa_type=LargeBinary)
    document: bytes = Field(sa_type=LargeBinary)
    digest: str
    signed_at: int = Field(sa_type=BigInteger, index=True)
    tree_size: int = Field(sa_type=BigInteger)


class StatusIndex(SQLModel, table=True):
    """An index of a status list that a registered credential holds; the key makes it race-free unique."""

    __tablename__ = "status_index"
    list_url: str = Field(sa_column=Column(Text, primary_key=True))
    position: int = Field(sa_type=BigInteger, primary_key=True)
    credential_seq: int = Field(sa_type=BigInteger, foreign_key="credential.seq", index=True)
    purpose: str


class StatusChange(SQLModel, table=True):
    """A signed request that changed a status, and the log entry that says so."""

    __tablename__ = "status_change"
    __table_args__ = (UniqueConstraint("log_index"),)
    request_digest: str = Field(primary_key=True)
    credential_seq: int = Field(sa_type=BigInteger, foreign_key="credential.seq", index=True)
    purpose: str
    value: bool
    reason: str = Field(default="", sa_type=Text)
    document: bytes = Field(sa_type=LargeBinary)
    log_index: int | None = Field(default=None, sa_type=BigInteger)
    changed_at: int = Field(sa_type=BigInteger)


class LogEntry(SQLModel, table=True):
    """The bytes of one log entry."""

    __tablename__ = "log_entry"
    position: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False)
    )
    entry: bytes = Field(sa_type=LargeBinary)


class LogTile(SQLModel, table=True):
    """A tile of 1 to 256 hashes (tlog-tiles)."""

    __tablename__ = "log_tile"
    level: int = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger, primary_key=True)
    hashes: bytes = Field(sa_type=LargeBinary)


class LogCheckpoint(SQLModel, table=True):
    """The first checkpoint that was signed for each size of the log: it shows by when the log held the entries below."""

    __tablename__ = "log_checkpoint"
    size: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False)
    )
    note: bytes = Field(sa_type=LargeBinary)


class LogState(SQLModel, table=True):
    """The one row that says how large the tree is, who may write, and the checkpoint last signed."""

    __tablename__ = "log_state"
    id: int = Field(primary_key=True)
    origin: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    root: str
    checkpoint: bytes = Field(sa_type=LargeBinary)
    cosigned_at: int = Field(sa_type=BigInteger)
    fencing: int = Field(sa_type=BigInteger)
    holder: str
    lease_until: int = Field(sa_type=BigInteger)


class HandoverEntry(SQLModel, table=True):
    """A handover that the log holds: of a log that this one continues, or of this one's own end."""

    __tablename__ = "handover"
    __table_args__ = (UniqueConstraint("position"),)
    origin: str = Field(sa_column=Column(Text, primary_key=True))
    position: int = Field(sa_type=BigInteger)
    document: bytes = Field(sa_type=LargeBinary)
    note: bytes = Field(sa_type=LargeBinary)


class KeyRotationEntry(SQLModel, table=True):
    """A logged key rotation of a publisher under a did:web: the signed request, and what it is found by."""

    __tablename__ = "key_rotation"
    __table_args__ = (UniqueConstraint("log_index"),)
    request_digest: str = Field(primary_key=True)
    publisher_id: int = Field(sa_type=BigInteger, foreign_key="publisher.id", index=True)
    new_id: str = Field(sa_type=Text)
    new_key: str
    authorizing_key: str
    document: bytes = Field(sa_type=LargeBinary)
    log_index: int = Field(sa_type=BigInteger)
    logged_at: int = Field(sa_type=BigInteger)


class IdempotentReply(SQLModel, table=True):
    """The reply that a publisher's Idempotency-Key got."""

    __tablename__ = "idempotent_reply"
    publisher_id: int = Field(sa_type=BigInteger, foreign_key="publisher.id", primary_key=True)
    key_hash: str = Field(primary_key=True)
    request_hash: str
    status: int
    body: bytes = Field(sa_type=LargeBinary)
    expires_at: int = Field(sa_type=BigInteger, index=True)


class Webhook(SQLModel, table=True):
    """An address that a publisher wants to be told at."""

    __tablename__ = "webhook"
    id: str = Field(primary_key=True)
    publisher_id: int = Field(sa_type=BigInteger, foreign_key="publisher.id", index=True)
    url: str = Field(sa_type=Text)
    events: str
    issuer: str = Field(default="", sa_type=Text)
    created_at: int = Field(sa_type=BigInteger)


class Delivery(SQLModel, table=True):
    """One message to one webhook, kept until it was delivered, or dead after the last attempt."""

    __tablename__ = "delivery"
    __table_args__ = (Index("delivery_due", "state", "next_at"),)
    id: int | None = Field(default=None, sa_column=Column(SERIAL, primary_key=True))
    webhook_id: str = Field(foreign_key="webhook.id", index=True)
    message_id: str
    body: bytes = Field(sa_type=LargeBinary)
    state: str  # pending | delivered | dead
    attempts: int = 0
    next_at: int = Field(sa_type=BigInteger)
    error: str = ""
    created_at: int = Field(sa_type=BigInteger)


class AuditEventRow(SQLModel, table=True):
    """One event of the audit trail, chained to the one before."""

    __tablename__ = "audit_event"
    position: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False)
    )
    at: int = Field(sa_type=BigInteger)
    actor: str = Field(sa_type=Text)
    action: str
    target: str = Field(sa_type=Text)
    previous: str
    hash: str


class AuditAnchorRow(SQLModel, table=True):
    """A log entry that holds the trail's hash at a position."""

    __tablename__ = "audit_anchor"
    log_index: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False)
    )
    position: int = Field(sa_type=BigInteger)
    hash: str
    anchored_at: int = Field(sa_type=BigInteger)


class WorkloadIdentity(SQLModel, table=True):
    """A subject of an OIDC issuer, such as a CI job, that acts for a publisher."""

    __tablename__ = "workload_identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)
    id: str = Field(primary_key=True)
    publisher_id: int = Field(sa_type=BigInteger, foreign_key="publisher.id", index=True)
    issuer: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    scopes: str
    created_at: int = Field(sa_type=BigInteger)


class TrainingJob(SQLModel, table=True):
    """One training run that a publisher asked for: what to train, who may claim it, and how far it is (docs/adr/0090)."""

    __tablename__ = "training_job"
    __table_args__ = (Index("training_job_queue", "worker_did", "state", "seq"),)
    seq: int | None = Field(default=None, sa_column=Column(SERIAL, primary_key=True))
    id: str = Field(unique=True)
    publisher_id: int = Field(sa_type=BigInteger, foreign_key="publisher.id", index=True)
    worker_did: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_type=Text)
    recipe: bytes = Field(sa_type=LargeBinary)
    public: bool = False
    state: str  # queued | leased | running | finished | refused | failed | cancelled
    attempt: int = Field(default=0, sa_type=BigInteger)  # the fencing token: it only grows
    lost: int = 0  # leases whose worker was not heard of again
    lost_max: int
    worker: str = ""  # who holds the lease, or held it last
    lease_until: int = Field(default=0, sa_type=BigInteger)
    step: int = Field(default=0, sa_type=BigInteger)
    steps: int = Field(default=0, sa_type=BigInteger)
    epoch: int = 0
    epochs: int = 0
    loss: str = ""
    eta_seconds: int = Field(default=-1, sa_type=BigInteger)
    note: str = Field(default="", sa_type=Text)
    created_at: int = Field(sa_type=BigInteger)
    changed_at: int = Field(sa_type=BigInteger)
    ended_at: int | None = Field(default=None, sa_type=BigInteger)


class TrainingResult(SQLModel, table=True):
    """The one result that was accepted of a job; the key makes a second impossible."""

    __tablename__ = "training_result"
    job_seq: int = Field(sa_type=BigInteger, foreign_key="training_job.seq", primary_key=True)
    attempt: int = Field(sa_type=BigInteger)
    digest: str
    report: bytes = Field(sa_type=LargeBinary)  # refusal or error, as JSON
    receipt: bytes = Field(sa_type=LargeBinary)
    card: bytes = Field(sa_type=LargeBinary)
    credential_seq: int | None = Field(default=None, sa_type=BigInteger, foreign_key="credential.seq", index=True)


def core_table(name: str) -> Table:
    """The Core table of the model with this table name."""
    return SQLModel.metadata.tables[name]


PUBLISHERS = core_table("publisher")
TOKENS = core_table("token")
CHALLENGES = core_table("challenge")
CREDENTIALS = core_table("credential")
MANIFESTS = core_table("manifest")
KNOWN_DIGESTS = core_table("known_digest")
SEARCH_TERMS = core_table("search_term")
EDGES = core_table("edge")
STATUS_LISTS = core_table("status_list")
STATUS_INDICES = core_table("status_index")
STATUS_CHANGES = core_table("status_change")
LOG_ENTRIES = core_table("log_entry")
LOG_TILES = core_table("log_tile")
LOG_CHECKPOINTS = core_table("log_checkpoint")
LOG_STATE = core_table("log_state")
HANDOVERS = core_table("handover")
KEY_ROTATIONS = core_table("key_rotation")
IDEMPOTENT_REPLIES = core_table("idempotent_reply")
WEBHOOKS = core_table("webhook")
DELIVERIES = core_table("delivery")
AUDIT_EVENTS = core_table("audit_event")
AUDIT_ANCHORS = core_table("audit_anchor")
WORKLOAD_IDENTITIES = core_table("workload_identity")
TRAINING_JOBS = core_table("training_job")
TRAINING_RESULTS = core_table("training_result")

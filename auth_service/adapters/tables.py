"""The tables as queries know them. What creates them are the migrations.

Times are integer microseconds since 1970, hashes of credentials hexadecimal text.
"""

import sqlalchemy as sa

from servicekit.tables import plumbing

METADATA = sa.MetaData()
PLUMBING = plumbing(METADATA)

# A user is in `document`; the other columns are what is looked for, and what must be unique.
USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("username_key", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.UniqueConstraint("username_key", name="users_username_key"),
    sa.UniqueConstraint("email_key", name="users_email_key"),
    sa.Index("users_by_role", "role", "username_key"),
    sa.Index("users_by_team", "team", "username_key"),
)

# Sessions that have not ended; a token's secret is there as a hash only.
SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("secret_hash", sa.LargeBinary, nullable=False),
    sa.Column("seal", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Index("sessions_by_user", "user_id", "created_at"),
)

DEVICES = sa.Table(
    "devices",
    METADATA,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("used_at", sa.BigInteger, nullable=False, index=True),
    sa.Index("devices_by_user", "user_id", "used_at"),
)

API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("prefix", sa.Text, nullable=False),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("last_used_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.UniqueConstraint("secret_hash", name="api_keys_secret_hash"),
    sa.Index("api_keys_by_user", "user_id", "created_at", "id"),
)

TICKETS = sa.Table(
    "tickets",
    METADATA,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("token_expires_at", sa.BigInteger, nullable=False),
)

# Failed attempts at passwords, by what they are counted against.
TALLIES = sa.Table(
    "tallies",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    sa.Column("spent_until", sa.BigInteger, nullable=False),
    sa.Column("forgotten_at", sa.BigInteger, nullable=False, index=True),
)

# Revocations whose tokens may still be alive; the event log has them too, in their order. That of
# a signing key has no user, and the key's id in the place of a session's.
REVOCATIONS = sa.Table(
    "revocations",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

# Where `sealed` is false whoever reads this database can sign tokens: guard it as a secret then.
SIGNING_KEYS = sa.Table(
    "signing_keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("private_key", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("signs_from", sa.BigInteger, nullable=False),
)

# Append only; each row's hash is over the row before it.
AUDIT_EVENTS = sa.Table(
    "audit_events",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor_id", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("changes", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("audit_events_by_actor", "actor_id", "sequence"),
    sa.Index("audit_events_by_target", "target", "sequence"),
    sa.Index("audit_events_by_action", "action", "sequence"),
    sa.Index("audit_events_by_time", "at"),
)

# One row: where the chain of audit events ends.
AUDIT_LOG = sa.Table(
    "audit_log",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.CheckConstraint("id = 1", name="audit_log_has_one_row"),
)

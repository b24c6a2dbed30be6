"""Makes sessions, API keys, tickets, guess counts and the audit log; users get a team column.

Keys that sign tokens get their public half and the time from which they sign; none is encrypted by
this step: the service does that at its next start, when it has a key to do it with.
"""

import json

import sqlalchemy as sa
from alembic import op
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _widen_users()
    _widen_signing_keys()
    _make_sessions()
    _make_api_keys()
    _make_guarding()
    _make_audit()


def downgrade() -> None:
    for table in (
        "audit_log",
        "audit_events",
        "revocations",
        "tallies",
        "tickets",
        "api_keys",
        "devices",
        "sessions",
    ):
        op.drop_table(table)
    with op.batch_alter_table("signing_keys") as keys:
        for column in ("public_key", "sealed", "signs_from"):
            keys.drop_column(column)
    op.drop_index("users_by_role", "users")
    op.drop_index("users_by_team", "users")
    with op.batch_alter_table("users") as users:
        users.drop_column("team")
        users.drop_column("disabled")


def _widen_users() -> None:
    op.add_column("users", sa.Column("team", sa.Text))
    op.add_column("users", sa.Column("disabled", sa.Boolean))
    users = sa.table(
        "users",
        sa.column("id", sa.Text),
        sa.column("team", sa.Text),
        sa.column("disabled", sa.Boolean),
        sa.column("document", sa.LargeBinary),
    )
    connection = op.get_bind()
    for user_id, document in connection.execute(sa.select(users.c.id, users.c.document)).all():
        user = json.loads(bytes(document))
        values = {"team": user.get("team", "default"), "disabled": user.get("disabled", False)}
        connection.execute(users.update().where(users.c.id == user_id).values(**values))
    with op.batch_alter_table("users") as batch:
        batch.alter_column("team", existing_type=sa.Text, nullable=False)
        batch.alter_column("disabled", existing_type=sa.Boolean, nullable=False)
    op.create_index("users_by_role", "users", ["role", "username_key"])
    op.create_index("users_by_team", "users", ["team", "username_key"])


def _widen_signing_keys() -> None:
    op.add_column("signing_keys", sa.Column("public_key", sa.LargeBinary))
    op.add_column("signing_keys", sa.Column("sealed", sa.Boolean))
    op.add_column("signing_keys", sa.Column("signs_from", sa.BigInteger))
    keys = sa.table(
        "signing_keys",
        sa.column("id", sa.Text),
        sa.column("private_key", sa.LargeBinary),
        sa.column("created_at", sa.BigInteger),
        sa.column("public_key", sa.LargeBinary),
        sa.column("sealed", sa.Boolean),
        sa.column("signs_from", sa.BigInteger),
    )
    connection = op.get_bind()
    for key in connection.execute(keys.select()).all():
        private_key = Ed25519PrivateKey.from_private_bytes(bytes(key.private_key))
        values = {
            "public_key": private_key.public_key().public_bytes_raw(),
            "sealed": False,
            "signs_from": key.created_at,
        }
        connection.execute(keys.update().where(keys.c.id == key.id).values(**values))
    with op.batch_alter_table("signing_keys") as batch:
        batch.alter_column("public_key", existing_type=sa.LargeBinary, nullable=False)
        batch.alter_column("sealed", existing_type=sa.Boolean, nullable=False)
        batch.alter_column("signs_from", existing_type=sa.BigInteger, nullable=False)


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("sessions_by_user", "sessions", ["user_id", "created_at"])
    op.create_table(
        "devices",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_index("devices_by_user", "devices", ["user_id", "used_at"])


def _make_api_keys() -> None:
    op.create_table(
        "api_keys",
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
    )
    op.create_index("api_keys_by_user", "api_keys", ["user_id", "created_at", "id"])
    op.create_table(
        "tickets",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("token_expires_at", sa.BigInteger, nullable=False),
    )


def _make_guarding() -> None:
    op.create_table(
        "tallies",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("spent_until", sa.BigInteger, nullable=False),
        sa.Column("forgotten_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "revocations",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )


def _make_audit() -> None:
    op.create_table(
        "audit_events",
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
    )
    op.create_index("audit_events_by_actor", "audit_events", ["actor_id", "sequence"])
    op.create_index("audit_events_by_target", "audit_events", ["target", "sequence"])
    op.create_index("audit_events_by_action", "audit_events", ["action", "sequence"])
    op.create_index("audit_events_by_time", "audit_events", ["at"])
    log = op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.CheckConstraint("id = 1", name="audit_log_has_one_row"),
    )
    op.bulk_insert(log, [{"id": 1, "sequence": 0, "hash": "0" * 64}])

"""Gives accounts to teams, limits to months, and room to runs that outlast their hours.

SQLite cannot change constraints, so both tables are made anew and filled from the old ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ACCOUNTS = "period, version, {limit}, granted, reserved, used, reserved_total, refunded_total"
LEDGER = "id, period, sequence, kind, amount, {left}, at, actor, reason, job_id"


def upgrade() -> None:
    op.rename_table("accounts", "accounts_before")
    op.rename_table("ledger", "ledger_before")
    _create_accounts()
    _create_ledger()
    columns = ACCOUNTS.format(limit='"limit"')
    op.execute(
        f"INSERT INTO accounts (subject, {columns}, entries, overrun, name, team) "
        f"SELECT 'user:' || owner_id, {columns}, entries, 0, '', '' FROM accounts_before"
    )
    columns = LEDGER.format(left='"left"')
    op.execute(
        f"INSERT INTO ledger (subject, {columns}, run_id) "
        f"SELECT 'user:' || owner_id, {columns}, '' FROM ledger_before"
    )
    op.drop_table("ledger_before")
    op.drop_table("accounts_before")


def downgrade() -> None:
    # What only teams and overruns have cannot be told in the older tables.
    op.rename_table("accounts", "accounts_after")
    op.rename_table("ledger", "ledger_after")
    _create_old()
    columns = ACCOUNTS.format(limit='"limit"')
    op.execute(
        f"INSERT INTO accounts (owner_id, {columns}, entries) "
        f"SELECT substr(subject, 6), {columns}, entries FROM accounts_after "
        "WHERE subject LIKE 'user:%' AND period <> '' AND overrun = 0"
    )
    columns = LEDGER.format(left='"left"')
    op.execute(
        f"INSERT INTO ledger (owner_id, {columns}) "
        f"SELECT substr(subject, 6), {columns} FROM ledger_after "
        "WHERE subject LIKE 'user:%' AND amount > 0 AND \"left\" >= 0"
    )
    op.drop_table("ledger_after")
    op.drop_table("accounts_after")


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        *_account_columns(),
        sa.Column("overrun", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.CheckConstraint("reserved >= 0", name="accounts_reserved_not_negative"),
        sa.CheckConstraint("used >= 0", name="accounts_used_not_negative"),
        sa.CheckConstraint(
            '"limit" + granted + overrun >= reserved + used', name="accounts_never_overdrawn"
        ),
        sa.CheckConstraint(
            "overrun >= 0 AND overrun <= used", name="accounts_overrun_is_part_of_used"
        ),
        sa.CheckConstraint(
            "reserved_total = used - overrun + refunded_total + reserved", name="accounts_add_up"
        ),
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        *_entry_columns(),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.CheckConstraint(
            "amount > 0 OR (kind = 'LIMIT_CHANGE' AND amount < 0)", name="ledger_amount_moves"
        ),
        sa.CheckConstraint(
            "\"left\" >= 0 OR kind NOT IN ('RESERVE', 'ALLOWANCE')", name="ledger_never_overdrawn"
        ),
        sa.UniqueConstraint("subject", "period", "sequence", name="ledger_by_subject"),
    )


def _create_old() -> None:
    op.create_table(
        "accounts",
        sa.Column("owner_id", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        *_account_columns(),
        sa.CheckConstraint(
            '"limit" + granted >= reserved + used', name="accounts_available_not_negative"
        ),
        sa.CheckConstraint("reserved >= 0", name="accounts_reserved_not_negative"),
        sa.CheckConstraint("used >= 0", name="accounts_used_not_negative"),
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        *_entry_columns(),
        sa.CheckConstraint("amount > 0", name="ledger_amount_positive"),
        sa.UniqueConstraint("owner_id", "period", "sequence", name="ledger_by_owner"),
        sa.CheckConstraint('"left" >= 0', name="ledger_left_not_negative"),
    )


def _account_columns() -> list[sa.Column[int]]:
    names = "version limit granted reserved used reserved_total refunded_total entries"
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names.split()]


def _entry_columns() -> list[sa.Column[int] | sa.Column[str]]:
    return [
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("left", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
    ]

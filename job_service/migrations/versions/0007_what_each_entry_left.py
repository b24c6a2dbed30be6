"""Makes statements add up line by line.

The first version told of all entries of one change what was left after the last of them.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        'UPDATE ledger SET "left" = told.remains FROM ('
        "SELECT id, sum(CASE"
        " WHEN kind IN ('ALLOWANCE', 'GRANT', 'LIMIT_CHANGE', 'REFUND') THEN amount"
        " WHEN kind IN ('RESERVE', 'OVERRUN') THEN -amount ELSE 0 END)"
        " OVER (PARTITION BY subject, period ORDER BY sequence) AS remains FROM ledger"
        ') AS told WHERE told.id = ledger.id AND ledger."left" <> told.remains'
    )


def downgrade() -> None:
    """Leaves them so: the version before reads them as well."""

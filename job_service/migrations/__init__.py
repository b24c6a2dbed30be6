"""The database's versions; `env.py` is what alembic runs."""

"""Alembic migrations of the schema in `core.tables`, oldest first; nothing else."""

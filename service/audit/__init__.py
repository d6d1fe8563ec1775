"""The audit log, read. `core.audit` writes it."""

"""Whether this process lives, and whether the parts it needs answer. No keys, no tenants."""

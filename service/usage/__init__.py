"""Usage: what a tenant has and has used, beside what it may."""

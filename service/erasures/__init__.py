"""Erasures: asking for a dataset to vanish with all that was made of it, and the receipts."""

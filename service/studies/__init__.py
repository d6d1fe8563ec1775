"""Studies: one call for the same dataset under several bounds, or in several shares."""

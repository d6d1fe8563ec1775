"""Series: what a job measured over time, for curves while it runs and afterwards."""

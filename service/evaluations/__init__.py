"""Evaluations: the measured effect of a job, as the worker wrote it down."""

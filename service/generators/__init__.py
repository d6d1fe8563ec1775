"""Generators: what a job has trained stays with its owner, and protects further images."""

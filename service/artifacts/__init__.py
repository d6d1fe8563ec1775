"""Artifacts: what a job made, as links to the object store. No bytes pass through the API."""

"""Datasets: taking an upload in, telling what became of it, listing and deleting.

The bytes pass through to the object store; nothing here looks into them, that is a worker's task.
"""

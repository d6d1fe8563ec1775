"""Resumable uploads: parts that go straight to the object store, each with its own checksum.

No bytes pass through the API. What is uploaded becomes a dataset by `POST /v1/datasets`.
"""

"""What the API and the workers share: settings, tables, the object store and the life of a job.

Here lives everything both sides must agree on: the database schema, the legal state changes
(`lifecycle`), the queue of claimable steps (`steps`), the doorbell that tells workers to look, and
the owner's vocabulary (`epsilon`, `label_map`). Nothing here may import FastAPI, torch, the
engine, the service or the worker.
"""

__version__ = "0.1.0"

"""Webhooks: who is told of what, and the log of what was sent. `worker.webhooks` sends."""

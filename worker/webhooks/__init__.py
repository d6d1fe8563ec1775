"""Sending webhooks: a process of its own, the only one of ours that needs a way out.

    python -m worker.webhooks

What is to be sent is in the outbox (`core.webhooks`); any number of senders may look at once.
"""

"""The schema, one file for each part of it.

Import tables from here: a foreign key names its table as text, and finds it only once all files
are imported.
"""

from core.tables.accounts import ApiKey, AuditEvent, ComputeUsage, IdempotencyKey, Tenant
from core.tables.base import JSON, Base
from core.tables.datasets import Dataset, Erasure, Upload
from core.tables.events import Event, Webhook, WebhookDelivery
from core.tables.jobs import Artifact, Baseline, Generator, Job, MetricPoint, Speed, Step

__all__ = [
    "JSON",
    "ApiKey",
    "Artifact",
    "AuditEvent",
    "Base",
    "Baseline",
    "ComputeUsage",
    "Dataset",
    "Erasure",
    "Event",
    "Generator",
    "IdempotencyKey",
    "Job",
    "MetricPoint",
    "Speed",
    "Step",
    "Tenant",
    "Upload",
    "Webhook",
    "WebhookDelivery",
]

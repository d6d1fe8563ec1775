"""A database as years of use leave it: tenants with datasets, and jobs in every state."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from core import api_keys, lifecycle, steps
from core.database import get_engine, transaction
from core.ids import new_id
from core.pools import COMPUTE
from core.tables import Dataset, Event, Job, Step, Tenant

TENANTS = 20
LIVE = 500  # jobs that have not ended
RUNNING = 20  # of those
CLASSES = [f"class {number}" for number in range(10)]
SUMMARY = {
    "layout": "image_folder",
    "classes": CLASSES,
    "counts": {split: dict.fromkeys(CLASSES, 5000) for split in ("train", "test")},
    "image_shape": [32, 32, 3],
    "test_split": "given",
    "notes": [],
}
EVALUATION = {
    "baseline_accuracy": 91.2,
    "protected_accuracy": 14.1,
    "victims": [
        {
            "victim": "resnet18",
            "seed": number,
            "side": side,
            "accuracy": 90.0,
            "confusion": [[row * 10 + column for column in range(10)] for row in range(10)],
            "curve": [50.0 + epoch for epoch in range(30)],
        }
        for number in range(2)
        for side in ("clean", "protected")
    ],
}
# What a job leaves: how far after its start, in seconds.
EVENTS = {"job.created": -2, "job.running": 0, "job.phase": 0, "job.succeeded": 200}


@dataclass(frozen=True)
class Owner:
    """A tenant with a key, and what is theirs, oldest first."""

    key: str
    jobs: list[str]
    datasets: list[str]
    live: list[str]


def fill(jobs: int, datasets: int, seed: int) -> list[Owner]:
    """Write tenants with datasets and jobs; the first tenant has half of them, the last few.

    The rows are spread over the past year, their ids sort as those of `new_id` do.
    """
    draw = random.Random(seed)  # noqa: S311  not a secret
    names = [f"load {number}" for number in range(TENANTS)]
    with transaction() as session:
        keys = [api_keys.create(session, name, "benchmark") for name in names]
        ids = {row.name: row.id for row in session.execute(select(Tenant.name, Tenant.id))}
        owners = {ids[name]: Owner(key, [], [], []) for name, key in zip(names, keys, strict=True)}
        tenants = draw.choices(
            list(owners), [1 / 2 ** min(n, 6) for n in range(TENANTS)], k=datasets
        )
        made = [
            {**row, "tenant_id": tenant}
            for row, tenant in zip(_datasets(datasets), tenants, strict=True)
        ]
        session.execute(insert(Dataset), made)
        for row in made:
            owners[row["tenant_id"]].datasets.append(row["id"])
        rows = list(_jobs(jobs, made, draw))
        session.execute(insert(Job), rows)
        for row in rows:
            owner = owners[row["tenant_id"]]
            owner.jobs.append(row["id"])
            if row["status"] not in lifecycle.FINAL:
                owner.live.append(row["id"])
        waiting = [_step(row) for row in rows if row["status"] == lifecycle.QUEUED]
        session.execute(insert(Step), waiting)
        _write_events(session)
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return [owner for owner in owners.values() if owner.jobs and owner.datasets]


def _past(count: int) -> Iterator[datetime]:
    """Moments of the past year, oldest first."""
    start = datetime.now(UTC) - timedelta(days=365)
    return (start + timedelta(days=364 * number / count) for number in range(count))


def _id_at(prefix: str, moment: datetime) -> str:
    """An id as if made at `moment`."""
    return new_id(prefix, int(moment.timestamp() * 1000))


def _datasets(count: int) -> Iterator[dict[str, Any]]:
    for moment in _past(count):
        yield {
            "id": (name := _id_at("ds", moment)),
            "name": f"{name}.zip",
            "status": lifecycle.READY,
            "size_bytes": 20_000_000,
            "sha256": "0" * 64,
            "upload_key": f"tenants/x/datasets/{name}/upload",
            "summary": SUMMARY,
            "created_at": moment,
            "ready_at": moment + timedelta(seconds=9),
            "purged_at": moment + timedelta(seconds=60),
        }


def _jobs(
    count: int, datasets: list[dict[str, Any]], draw: random.Random
) -> Iterator[dict[str, Any]]:
    for number, moment in enumerate(_past(count)):
        dataset = datasets[number * len(datasets) // count]
        left = count - number
        status = draw.choices(
            [lifecycle.SUCCEEDED, lifecycle.FAILED, lifecycle.CANCELLED], [90, 5, 5]
        )[0]
        if left <= LIVE:
            status = lifecycle.RUNNING if left > LIVE - RUNNING else lifecycle.QUEUED
        ended = status in lifecycle.FINAL
        done = status == lifecycle.SUCCEEDED
        yield {
            "id": _id_at("job", moment),
            "tenant_id": dataset["tenant_id"],
            "dataset_id": dataset["id"],
            "status": status,
            "phase": "training" if status == lifecycle.RUNNING else None,
            "epsilon": "8/255",
            "label_map": None,
            "seed": number,
            "budget_seconds": 150,
            "progress": 1.0 if done else 0.3,
            "metrics": {"victim_loss": 1.87, "held_out_accuracy": 42.5, "step": 1234},
            "evaluation": EVALUATION if done else None,
            "created_at": moment,
            "started_at": None if status == lifecycle.QUEUED else moment + timedelta(seconds=2),
            "finished_at": moment + timedelta(seconds=200) if ended else None,
            "purged_at": moment + timedelta(seconds=300) if ended else None,
        }


def _step(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id("step"),
        "tenant_id": job["tenant_id"],
        "dataset_id": job["dataset_id"],
        "job_id": job["id"],
        "kind": "train",
        "pool": COMPUTE,
        "status": steps.QUEUED,
        "queued_at": job["created_at"],
    }


def _write_events(session: Session) -> None:
    for name, seconds in EVENTS.items():
        session.execute(
            insert(Event).from_select(
                ["tenant_id", "subject_id", "type", "data", "created_at"],
                select(
                    Job.tenant_id,
                    Job.id,
                    text(f"'{name}'"),
                    text("'{}'::jsonb"),
                    Job.created_at + timedelta(seconds=seconds),
                ),
            )
        )

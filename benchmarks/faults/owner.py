"""A careful data owner: asks again when the service does not answer, and never pays twice."""

from __future__ import annotations

import hashlib
import io
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np

from core.lifecycle import FINAL

Json = dict[str, Any]

PATIENCE_SECONDS = 120.0
CLASSES, SIDE = 3, 8
# Enough for several trials, so for several checkpoints, in a few seconds on one core.
TRAINING_STEPS = 160
EPSILON = "64/255"


class Silence(Exception):
    """The service did not answer for too long."""


@dataclass(frozen=True)
class Result:
    """What must be the same after every fault.

    Attributes:
        protected: SHA-256 of the protected dataset.
        generator: SHA-256 of the generator's weights (its file also says how long it took).
        accuracies: clean-test accuracy in percent: trained on clean, trained on protected.
    """

    protected: str
    generator: str
    accuracies: tuple[float, float]


class Owner:
    """One tenant's key. Every call is repeated until the service answers with sense."""

    def __init__(self, url: str, key: str, training_steps: int) -> None:
        self._training_steps = training_steps
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(30.0),
            trust_env=False,
        )

    def get(self, path: str, **params: Any) -> Json:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                response = self._http.get(path, params=params)
                if response.status_code < 500:
                    return dict(response.raise_for_status().json())
            except httpx2.TransportError:
                pass  # it is down; we ask again below
            if time.monotonic() > deadline:
                raise Silence(path)
            time.sleep(0.1)

    def upload(self, name: str) -> str:
        """Upload the data under a name of their own; returns the id of the ready dataset."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            known = [d for d in self.datasets() if d["name"] == name]
            if known and known[0]["status"] == "ready":
                return str(known[0]["id"])
            if not known:
                self.try_to_upload(name)
            if time.monotonic() > deadline:
                raise Silence("upload")
            time.sleep(0.1)

    def try_to_upload(self, name: str) -> None:
        """Send the data once; a connection that breaks is no news."""
        try:
            self._http.post("/v1/datasets", files={"file": ("data.npz", DATA)}, data={"name": name})
        except httpx2.TransportError:
            return

    def datasets(self) -> list[Json]:
        return list(self.get("/v1/datasets", limit=100)["data"])

    def submit(self, dataset_id: str, mark: int) -> str:
        """Start one job and return its id, however often the connection breaks.

        The owner writes `mark` on it and looks for that before asking again.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            known = self.jobs(mark)
            if known:
                return str(known[0]["id"])
            self.try_to_submit(dataset_id, mark)
            if time.monotonic() > deadline:
                raise Silence("submit")

    def try_to_submit(self, dataset_id: str, mark: int) -> None:
        """Ask for a job once; a connection that breaks, or a 503, is no news."""
        asked = {
            "dataset_id": dataset_id,
            "epsilon": EPSILON,
            "training_steps": self._training_steps,
            "evaluation": {"countermeasures": []},
            "metadata": {"mark": str(mark)},
        }
        try:
            response = self._http.post("/v1/jobs", json=asked)
        except httpx2.TransportError:
            time.sleep(0.1)
            return
        if response.status_code == 503:
            time.sleep(0.1)
        elif response.status_code != 202:
            raise AssertionError(response.text)

    def jobs(self, mark: int) -> list[Json]:
        """The newest jobs that carry a mark."""
        listed = self.get("/v1/jobs", limit=20)["data"]
        return [job for job in listed if job["metadata"].get("mark") == str(mark)]

    def job(self, job_id: str) -> Json:
        return self.get(f"/v1/jobs/{job_id}")

    def ask(self, job_id: str, verb: str) -> None:
        """POST /v1/jobs/{id}/{verb} until it is taken; a job that has ended is no error."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if self._http.post(f"/v1/jobs/{job_id}/{verb}").status_code < 500:
                    return
            except httpx2.TransportError:
                pass  # it is down; we ask again below
            if time.monotonic() > deadline:
                raise Silence(verb)
            time.sleep(0.1)

    def result(self, job_id: str) -> Result:
        """Download what a finished job made, and digest what does not tell the time."""
        files = {
            artifact["name"]: artifact
            for artifact in self.get(f"/v1/jobs/{job_id}/artifacts")["data"]
        }
        protected = self._download(files["protected.npz"])
        generator = self._download(files["generator.safetensors"])
        weights = generator[8 + int.from_bytes(generator[:8], "little") :]
        evaluation = json.loads(self._download(files["evaluation.json"]))
        return Result(
            protected=hashlib.sha256(protected).hexdigest(),
            generator=hashlib.sha256(weights).hexdigest(),
            accuracies=(evaluation["baseline_accuracy"], evaluation["protected_accuracy"]),
        )

    def _download(self, artifact: Json) -> bytes:
        response = httpx2.get(artifact["url"], timeout=30.0, trust_env=False)
        content = response.raise_for_status().content
        if hashlib.sha256(content).hexdigest() != artifact["sha256"]:
            raise AssertionError(f"{artifact['name']} is not what its digest says")
        return content


def has_ended(job: Json) -> bool:
    return job["status"] in FINAL


def _data() -> bytes:
    """An npz of 96 training and 48 test images, 8 x 8, three classes of bars."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 96), ("test", 48)):
        labels = np.arange(count) % CLASSES
        images = rng.integers(0, 60, (count, SIDE, SIDE), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[label * 2 : label * 2 + 3] += 150
        arrays |= {f"x_{part}": images, f"y_{part}": labels}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


DATA = _data()

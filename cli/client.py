"""A small typed client of the HTTP API, with only what the commands use."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx2
from pydantic import BaseModel

TIMEOUT = httpx2.Timeout(60.0, connect=5.0)
FINAL = frozenset({"succeeded", "failed", "cancelled"})
CHUNK = 1024 * 1024


class ApiError(Exception):
    """The API refused, or cannot be reached. The message is for the person at the terminal."""


class Failure(BaseModel):
    """Why a dataset was rejected or a job failed."""

    code: str
    message: str
    hint: str | None = None
    param: str | None = None


class Dataset(BaseModel):
    """An uploaded dataset."""

    id: str
    status: Literal["validating", "ready", "rejected", "deleted"]
    error: Failure | None = None


class Job(BaseModel):
    """A job. `progress` runs from 0 to 1."""

    id: str
    status: Literal[
        "queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"
    ]
    phase: str | None = None
    progress: float = 0.0
    estimated_finish_at: datetime | None = None
    metrics: dict[str, Any] = {}
    error: Failure | None = None


class Verdict(BaseModel):
    """What the figures of an evaluation mean."""

    protects: bool | None
    summary: str


class Evaluation(BaseModel):
    """The proof. Accuracies in percent, `linf` in 1/255, times in seconds."""

    baseline_accuracy: float
    protected_accuracy: float
    targeted_success: float | None
    linf: int
    psnr_db: float | None
    seconds_training: float
    seconds_total: float
    test_images: int
    verdict: Verdict


class Artifact(BaseModel):
    """A file that a job made."""

    name: str
    kind: str
    size_bytes: int
    sha256: str
    url: str


class Artifacts(BaseModel):
    """The files of a job."""

    data: list[Artifact]


Answer = TypeVar("Answer", bound=BaseModel)


class Client:
    """One connection to one API, under one key.

    Every method raises `ApiError` if the API refuses or cannot be reached.
    """

    def __init__(self, api_url: str, api_key: str) -> None:
        # Proxies from the environment are for the world outside, not for a stack on loopback.
        self._http = httpx2.Client(
            base_url=api_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=TIMEOUT,
            trust_env=False,
        )
        # Download links carry their own signature, and refuse a second one.
        self._links = httpx2.Client(timeout=TIMEOUT, trust_env=False)

    def upload(self, file: Path, name: str) -> Dataset:
        """Upload a dataset; it may still be `validating` afterwards."""
        with file.open("rb") as stream:
            return self._call(
                Dataset,
                "POST",
                "/v1/datasets",
                files={"file": (file.name, stream, "application/octet-stream")},
                data={"name": name},
            )

    def dataset(self, dataset_id: str) -> Dataset:
        return self._call(Dataset, "GET", f"/v1/datasets/{dataset_id}")

    def create_job(
        self,
        dataset_id: str,
        epsilon: str,
        label_map: str | Mapping[str, str] | None,
        seed: int,
        budget_seconds: int | None,
    ) -> Job:
        body = {
            "dataset_id": dataset_id,
            "epsilon": epsilon,
            "label_map": label_map,
            "seed": seed,
            "budget_seconds": budget_seconds,
        }
        return self._call(Job, "POST", "/v1/jobs", json=body)

    def job(self, job_id: str) -> Job:
        return self._call(Job, "GET", f"/v1/jobs/{job_id}")

    def cancel(self, job_id: str) -> Job:
        return self._call(Job, "POST", f"/v1/jobs/{job_id}/cancel")

    def evaluation(self, job_id: str) -> Evaluation:
        return self._call(Evaluation, "GET", f"/v1/jobs/{job_id}/evaluation")

    def artifacts(self, job_id: str) -> list[Artifact]:
        return self._call(Artifacts, "GET", f"/v1/jobs/{job_id}/artifacts").data

    def download(self, artifact: Artifact, folder: Path) -> Path:
        """Download a file into `folder` and compare its SHA-256."""
        # The name comes over the network: it must not lead out of the folder.
        path = folder / Path(artifact.name).name
        unfinished = path.with_name(f".{path.name}.part")
        digest = hashlib.sha256()
        try:
            with self._links.stream("GET", artifact.url) as response, unfinished.open("wb") as file:
                if response.is_error:
                    raise ApiError(f"{artifact.name} cannot be downloaded: {response.status_code}.")
                for chunk in response.iter_bytes(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        except httpx2.HTTPError as error:
            raise ApiError(f"{artifact.name} cannot be downloaded: {error}.") from error
        if digest.hexdigest() != artifact.sha256:
            raise ApiError(f"{artifact.name} arrived with other bytes than the API announced.")
        return unfinished.replace(path)

    def close(self) -> None:
        self._http.close()
        self._links.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, kind: type[Answer], method: str, path: str, **request: Any) -> Answer:
        try:
            response = self._http.request(method, path, **request)
        except httpx2.HTTPError as error:
            raise ApiError(f"{self._http.base_url} does not answer: {error}.") from error
        if response.is_error:
            raise ApiError(_explain(response))
        return kind.model_validate_json(response.content)


def _explain(response: httpx2.Response) -> str:
    """The sentence of a problem document, or the bare status if the answer is none."""
    try:
        problem = response.json()
        return f"{problem['detail']} ({problem['code']}, request {problem['request_id']})"
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return f"The API answered {response.status_code} to {response.request.url}."

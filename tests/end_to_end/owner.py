"""What a data owner does: uploads, starts jobs, polls, downloads. Everything over HTTP."""

import hashlib
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cli.stack.info import StackInfo

Arrays = dict[str, NDArray[np.uint8]]
Json = dict[str, Any]

SAMPLE = Path(__file__).parents[2] / "cli" / "data" / "mnist-sample.npz"
CLASSES = ("zero", "one", "two", "three")


class Owner:
    """A data owner with a key of the stack."""

    def __init__(self, http: httpx2.Client, stack: StackInfo | None) -> None:
        self.http = http
        self._stack = stack

    @property
    def stack(self) -> StackInfo:
        """What lies behind the API, if this machine runs it."""
        assert self._stack is not None, "the stack runs elsewhere"
        return self._stack

    def upload(self, path: Path) -> Json:
        with path.open("rb") as file:
            response = self.http.post("/v1/datasets", files={"file": (path.name, file)})
        assert response.status_code == 201, response.text
        return dict(response.json())

    def start(self, dataset: Json, **fields: Any) -> Json:
        response = self.http.post("/v1/jobs", json={"dataset_id": dataset["id"], **fields})
        assert response.status_code == 202, response.text
        return dict(response.json())

    def job(self, job_id: str) -> Json:
        return dict(self.http.get(f"/v1/jobs/{job_id}").json())

    def poll(
        self, job_id: str, until: Callable[[Json], bool], seconds: float = 240
    ) -> tuple[Json, list[Json]]:
        """The job once `until` holds, and all that was seen on the way."""
        seen = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            seen.append(self.job(job_id))
            if until(seen[-1]):
                return seen[-1], seen
            time.sleep(0.2)
        raise AssertionError(f"not there after {seconds} s: {seen[-1]}")

    def finish(self, job_id: str) -> tuple[Json, list[Json]]:
        return self.poll(job_id, lambda job: job["status"] in {"succeeded", "failed", "cancelled"})

    def download(self, job_id: str) -> dict[str, bytes]:
        """Every artifact by name, each checked against its digest."""
        listed = self.http.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
        files = {}
        for artifact in listed:
            response = httpx2.get(artifact["url"], trust_env=False)
            assert response.status_code == 200
            assert hashlib.sha256(response.content).hexdigest() == artifact["sha256"]
            assert len(response.content) == artifact["size_bytes"]
            assert "attachment" in response.headers["content-disposition"]
            files[artifact["name"]] = response.content
        return files


def save_npz(path: Path, digits: Arrays) -> None:
    np.savez_compressed(path, **digits)  # type: ignore[arg-type]


def save_folder(path: Path, digits: Arrays, *, split: bool) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ("train", "test"):
            for number, (image, label) in enumerate(
                zip(digits[f"x_{part}"], digits[f"y_{part}"], strict=True)
            ):
                folder = f"{part}/{CLASSES[label]}" if split else CLASSES[label]
                content = io.BytesIO()
                Image.fromarray(image).save(content, "PNG")
                archive.writestr(f"{folder}/{part}-{number:04}.png", content.getvalue())


def decode(data: bytes) -> NDArray[np.int16]:
    """An image as a stranger's program reads it."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(np.int16)

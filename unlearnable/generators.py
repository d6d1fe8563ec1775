"""Generators: what a job has trained stays, and protects more images."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from unlearnable.artifacts import ACCEPTED, Artifacts
from unlearnable.calls import ask, call, page_of
from unlearnable.decoding import decode
from unlearnable.downloads import OnBytes, download, place_for, write
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, Work, listing, operation
from unlearnable.jobs import Jobs
from unlearnable.models import Generator, Job
from unlearnable.requests import Request
from unlearnable.sources import read

PATH = "/v1/generators"


class Generators(Resource[Mode]):
    """Trained generators of perturbations."""

    @operation
    def get(self, generator_id: str) -> Flow[Generator]:
        """One generator."""
        return (yield from self._get(generator_id))

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[Generator]:
        """Your generators, newest first."""

        def page(after: str | None) -> Flow[Page[Generator]]:
            return page_of(Generator, PATH, after, page_size, self.transport.max_retries)

        return page

    @operation
    def protect(
        self,
        generator_id: str,
        dataset_id: str,
        *,
        seed: int | None = None,
        protected_fraction: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        deadline: int | str | None = None,
    ) -> Flow[Job]:
        """Protect another dataset without training: a job like any other, in seconds.

        Args:
            seed: decides which images a random `protected_fraction` protects.
            deadline: by when it must have ended: seconds from now, or a moment in ISO 8601.
        """
        wishes = {
            "dataset_id": dataset_id,
            "seed": seed,
            "protected_fraction": protected_fraction,
            "evaluation": evaluation,
            "metadata": metadata,
            "deadline": deadline,
        }
        body = {name: value for name, value in wishes.items() if value is not None}
        request = Request("POST", f"{PATH}/{generator_id}/protect", body=body)
        return (yield from ask(Job, request, self.transport.max_retries))

    @operation
    def protect_images(
        self,
        generator_id: str,
        images: Sequence[str | PathLike[str]],
        to: str | PathLike[str],
        *,
        labels: Sequence[str] = (),
    ) -> Flow[Path]:
        """Protect a few images at once. Nothing of them stays on the server.

        Args:
            images: PNG, JPEG or WebP files, or zips of them.
            to: the file that is written: a PNG of one image, else a zip.
            labels: the class of all images, or of each; needed if `conditioning` is `label` and
                there are no class folders.

        Returns:
            The file's path.
        """
        retries, path = self.transport.max_retries, Path(to)
        files = yield Work(lambda: [(Path(image).name, read(Path(image))) for image in images])
        request = Request("POST", f"{PATH}/{generator_id}/protect", files=files, labels=labels)
        answer = yield from call(request, retries)
        if answer.status != ACCEPTED:
            yield Work(lambda: write(path, answer.content))
            return path
        # No worker was free in time: what it makes is kept for an hour.
        job = yield from Jobs.wait.flow(Jobs(self.transport), decode(Job, answer.json()).id)
        artifacts = Artifacts(self.transport)
        listed = yield from Artifacts.list.pages(artifacts, job.id)(None)
        return (yield from Artifacts.download.flow(artifacts, listed.items[0], path))

    @operation
    def download(
        self,
        generator_id: str,
        to: str | PathLike[str] = ".",
        *,
        on_progress: OnBytes | None = None,
    ) -> Flow[Path]:
        """Download the weights as safetensors; see `artifacts.download`."""
        generator = yield from self._get(generator_id)

        def link() -> Flow[str]:
            return (yield from self._get(generator_id)).weights.url

        path = place_for(f"{generator_id}.safetensors", to)
        weights, retries = generator.weights, self.transport.max_retries
        return (
            yield from download(
                link, path, weights.size_bytes, weights.sha256, retries, on_progress
            )
        )

    @operation
    def delete(self, generator_id: str) -> Flow[None]:
        """Delete a generator and its weights. What was protected with it stays."""
        yield from call(Request("DELETE", f"{PATH}/{generator_id}"), self.transport.max_retries)

    def _get(self, generator_id: str) -> Flow[Generator]:
        request = Request("GET", f"{PATH}/{generator_id}")
        return ask(Generator, request, self.transport.max_retries)

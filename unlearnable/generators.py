"""Generators: what a job has trained stays, and protects more images."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from unlearnable.calls import ask, call, page_of
from unlearnable.downloads import OnBytes, download, place_for
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.models import Generator, Job
from unlearnable.requests import Request

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

"""Artifacts: the files that jobs and evaluations make."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from unlearnable.calls import call, page_of, sleep
from unlearnable.decoding import decode
from unlearnable.downloads import OnBytes, download, place_for
from unlearnable.errors import UnexpectedAnswer
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.models import Artifact, ArtifactKind
from unlearnable.requests import Request

ACCEPTED = 202
NOUNS = {"eval": "evaluations", "study": "studies"}  # by prefix of the id; else it is a job


class Artifacts(Resource[Mode]):
    """Files of jobs, evaluations and studies."""

    @listing
    def list(self, owner_id: str, *, kind: ArtifactKind | None = None) -> Pages[Artifact]:
        """The files of a job, an evaluation or a study; none before it succeeded.

        Args:
            kind: only those of this kind.
        """
        noun = NOUNS.get(owner_id.partition("_")[0], "jobs")

        def page(after: str | None) -> Flow[Page[Artifact]]:
            path = f"/v1/{noun}/{owner_id}/artifacts"
            return page_of(Artifact, path, after, None, self.transport.max_retries, kind=kind)

        return page

    @operation
    def convert(self, job_id: str, layout: str) -> Flow[Sequence[Artifact]]:
        """Have the protected dataset of a job in another layout; it may take minutes.

        Args:
            layout: `image_folder`, `parquet` or `npz`; or `uploaded`, as it came.
        """
        request = Request("POST", f"/v1/jobs/{job_id}/artifacts", body={"layout": layout})
        while True:
            answer = yield from call(request, self.transport.max_retries)
            if answer.status != ACCEPTED:
                return [decode(Artifact, one) for one in answer.json()["data"]]
            yield from sleep(float(answer.headers.get("retry-after", 1)))

    @operation
    def download(
        self,
        artifact: Artifact,
        to: str | PathLike[str] = ".",
        *,
        on_progress: OnBytes | None = None,
    ) -> Flow[Path]:
        """Download a file. It appears under its name once its SHA-256 is right, and not before.

        Args:
            to: a folder that exists, or the file's path.
            on_progress: called with the bytes that have come and those of the whole.

        Returns:
            The file's path.

        Raises:
            ChecksumMismatch: other bytes came than the API announced.
            StoreRefused, ApiError, ConnectionFailed: see there.
        """
        retries = self.transport.max_retries

        def link() -> Flow[str]:
            answer = yield from call(
                Request("GET", f"/v1/artifacts/{artifact.id}/download"), retries
            )
            try:
                return answer.headers["location"]
            except KeyError:
                raise UnexpectedAnswer("The API gave no link for a download.") from None

        path = place_for(artifact.name, to)
        return (
            yield from download(
                link, path, artifact.size_bytes, artifact.sha256, retries, on_progress
            )
        )

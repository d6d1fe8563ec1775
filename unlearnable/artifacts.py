"""Artifacts: the files that jobs and evaluations make."""

from os import PathLike
from pathlib import Path

from unlearnable.calls import call, page_of
from unlearnable.downloads import OnBytes, download, place_for
from unlearnable.errors import UnexpectedAnswer
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.models import Artifact, ArtifactKind
from unlearnable.requests import Request


class Artifacts(Resource[Mode]):
    """Files of jobs and evaluations."""

    @listing
    def list(self, owner_id: str, *, kind: ArtifactKind | None = None) -> Pages[Artifact]:
        """The files of a job or an evaluation, or those of one kind; none before it succeeded."""
        noun = "evaluations" if owner_id.startswith("eval_") else "jobs"

        def page(after: str | None) -> Flow[Page[Artifact]]:
            path = f"/v1/{noun}/{owner_id}/artifacts"
            return page_of(Artifact, path, after, None, self.transport.max_retries, kind=kind)

        return page

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

"""Datasets: uploaded, validated, looked at, deleted."""

from os import PathLike

from unlearnable.account_models import Erasure
from unlearnable.calls import ask, call, page_of
from unlearnable.errors import DatasetRejected, NotFound
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.following import until
from unlearnable.models import Dataset, Upload, UploadStatus
from unlearnable.requests import Request
from unlearnable.sources import source_of
from unlearnable.uploads import Asked, OnBytes, send

PATH = "/v1/datasets"
PAUSES = (0.2, 3.0)


class Datasets(Resource[Mode]):
    """Labelled image datasets."""

    @operation
    def upload(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        reuse: bool = False,
        wait: bool = True,
        part_size_bytes: int | None = None,
        on_progress: OnBytes | None = None,
    ) -> Flow[Dataset]:
        """Upload a dataset and wait until it is ready for jobs.

        Args:
            path: a zip, npz or parquet file, or a folder with a folder of images for each class,
                which becomes a zip on its way.
            name: to know it by; else that of the file.
            reuse: take the dataset that was made of these very bytes within the last day, if
                there is one.
            wait: False returns at once, perhaps while it is `validating`.
            part_size_bytes: of the upload; see `uploads.send`.
            on_progress: called with the bytes that have arrived and those of the whole, perhaps
                from another thread.

        Raises:
            BadSource: the file cannot be read.
            DatasetRejected: some of its files cannot be used.
            StoreRefused, ApiError, ConnectionFailed: see there.
        """
        asked = Asked(source_of(path), name, part_size_bytes, on_progress)
        dataset = yield from self._upload(asked, reuse=reuse)
        return (yield from self._wait(dataset, None)) if wait else dataset

    @operation
    def wait(self, dataset_id: str, *, timeout: float | None = None) -> Flow[Dataset]:
        """Wait until a dataset is ready, at most `timeout` seconds.

        Raises:
            DatasetRejected: it is not going to be.
            WaitTimeout: it is still being validated.
        """
        return (yield from self._wait((yield from self._get(dataset_id)), timeout))

    @operation
    def get(self, dataset_id: str) -> Flow[Dataset]:
        """One dataset."""
        return (yield from self._get(dataset_id))

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[Dataset]:
        """Your datasets, newest first."""

        def page(after: str | None) -> Flow[Page[Dataset]]:
            return page_of(Dataset, PATH, after, page_size, self.transport.max_retries)

        return page

    @operation
    def delete(self, dataset_id: str) -> Flow[None]:
        """Delete a dataset and its bytes. What its jobs made stays."""
        yield from call(Request("DELETE", f"{PATH}/{dataset_id}"), self.transport.max_retries)

    @operation
    def keep(self, dataset_id: str, *, retention_seconds: int | None) -> Flow[Dataset]:
        """Say after what time the original is deleted; None is as late as the server deletes any.

        What its jobs made stays; `erase` deletes that too.
        """
        request = Request(
            "PATCH", f"{PATH}/{dataset_id}", body={"retention_seconds": retention_seconds}
        )
        return (yield from ask(Dataset, request, self.transport.max_retries))

    @operation
    def erase(self, dataset_id: str) -> Flow[Erasure]:
        """Delete a dataset and everything that was made of it, for a receipt that stays.

        It is done within minutes: see `erasures.wait`.
        """
        request = Request("POST", f"{PATH}/{dataset_id}/erase")
        return (yield from ask(Erasure, request, self.transport.max_retries))

    @operation
    def contact_sheet(self, dataset_id: str) -> Flow[bytes]:
        """A PNG with the first images of each class."""
        request = Request("GET", f"{PATH}/{dataset_id}/contact-sheet")
        return (yield from call(request, self.transport.max_retries)).content

    def _get(self, dataset_id: str) -> Flow[Dataset]:
        request = Request("GET", f"{PATH}/{dataset_id}")
        return ask(Dataset, request, self.transport.max_retries)

    def _wait(self, dataset: Dataset, timeout: float | None) -> Flow[Dataset]:
        if dataset.status == "validating":
            dataset = yield from until(
                lambda: self._get(dataset.id),
                lambda seen: seen.status != "validating",
                what=dataset.id,
                timeout=timeout,
                pauses=PAUSES,
            )
        if dataset.status != "ready":
            raise DatasetRejected(dataset)
        return dataset

    def _upload(self, asked: Asked, *, reuse: bool) -> Flow[Dataset]:
        retries = self.transport.max_retries
        statuses: tuple[UploadStatus, ...] = ("pending", "completed")
        upload = yield from send(asked, (*statuses, "used") if reuse else statuses, retries)
        if upload.status == "used":
            known = yield from self._usable(upload)
            if known is not None:
                return known
            upload = yield from send(asked, statuses, retries)
        body = {"upload_id": upload.id}
        if asked.name is not None:
            body["name"] = asked.name
        request = Request("POST", PATH, body=body, headers={"Prefer": "respond-async"})
        return (yield from ask(Dataset, request, retries))

    def _usable(self, upload: Upload) -> Flow[Dataset | None]:
        """The dataset that an upload has become, if it is still there and not refused."""
        if upload.dataset_id is None:
            return None
        try:
            dataset = yield from self._get(upload.dataset_id)
        except NotFound:
            return None
        return dataset if dataset.status in {"validating", "ready"} else None

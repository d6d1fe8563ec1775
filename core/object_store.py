"""The S3-compatible store, behind the few verbs that the project needs.

Two clients: one talks to the store, the other only signs links, with the address under which data
owners reach it (the host is part of the signature).
"""

import base64
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from core.settings import MIB, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

log = logging.getLogger(__name__)

UNFINISHED_UPLOAD_DAYS = 2
CHUNK = MIB
# The least that S3 takes, since each upload under way holds one in memory. With the 10,000 that S3
# allows, a file has up to 48 GiB.
PART_BYTES = 5 * MIB

_GONE = frozenset({"404", "NoSuchKey", "NoSuchUpload"})


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))


def tenant_prefix(tenant_id: str) -> str:
    return f"tenants/{tenant_id}/"


def dataset_prefix(tenant_id: str, dataset_id: str) -> str:
    """Everything that belongs to a dataset lies under this prefix."""
    return f"{tenant_prefix(tenant_id)}datasets/{dataset_id}/"


def job_prefix(tenant_id: str, job_id: str) -> str:
    """Everything that belongs to a job lies under this prefix."""
    return f"{tenant_prefix(tenant_id)}jobs/{job_id}/"


class ObjectStore:
    """One bucket. Safe to share between threads."""

    def __init__(self, client: "S3Client", signer: "S3Client", bucket: str) -> None:
        self.client = client
        self.bucket = bucket
        self._signer = signer

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        secret = settings.s3_secret_access_key

        def client(endpoint: str | None) -> "S3Client":
            return boto3.client(
                "s3",
                endpoint_url=endpoint,
                region_name=settings.s3_region,
                aws_access_key_id=settings.s3_access_key_id,
                aws_secret_access_key=secret.get_secret_value() if secret else None,
                config=Config(
                    signature_version="s3v4",
                    s3={"addressing_style": "path"},
                    # Stores other than AWS refuse the trailing checksums that are the default.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    retries={"mode": "standard", "max_attempts": 4},
                    connect_timeout=5,
                    read_timeout=60,
                    max_pool_connections=50,
                ),
            )

        return cls(
            client(settings.s3_endpoint_url),
            client(settings.s3_public_endpoint_url or settings.s3_endpoint_url),
            settings.s3_bucket,
        )

    def ensure_bucket(self) -> None:
        """Create the bucket if it is not there, with a rule that ends unfinished uploads."""
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if _code(error) not in {"404", "NoSuchBucket"}:
                raise
            self.client.create_bucket(Bucket=self.bucket)
        self._expire_unfinished_uploads()

    def _expire_unfinished_uploads(self) -> None:
        """Let the store itself give up uploads in parts after days, where it can and we may.

        Rules that the operator has written stay. The sweeper does the same, sooner.
        """
        get, put = (
            self.client.get_bucket_lifecycle_configuration,
            self.client.put_bucket_lifecycle_configuration,
        )
        try:
            try:
                rules = get(Bucket=self.bucket)["Rules"]
            except ClientError as error:
                if _code(error) != "NoSuchLifecycleConfiguration":
                    raise
                rules = []
            if any("AbortIncompleteMultipartUpload" in rule for rule in rules):
                return
            rules.append(
                {
                    "ID": "unfinished-uploads",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "AbortIncompleteMultipartUpload": {
                        "DaysAfterInitiation": UNFINISHED_UPLOAD_DAYS
                    },
                }
            )
            put(Bucket=self.bucket, LifecycleConfiguration={"Rules": rules})
        except ClientError as error:
            log.warning("no lifecycle rule for unfinished uploads: %s", _code(error))

    def check(self) -> None:
        """Raise unless the store answers for the bucket."""
        self.client.head_bucket(Bucket=self.bucket)

    def put_bytes(
        self, key: str, data: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)

    def get_bytes(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def find_bytes(self, key: str) -> bytes | None:
        """An object's bytes, or None if there is none."""
        try:
            return self.get_bytes(key)
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise

    def size(self, key: str) -> int:
        """Bytes of an object."""
        return self.client.head_object(Bucket=self.bucket, Key=key)["ContentLength"]

    def get_range(self, key: str, first: int, count: int) -> bytes:
        """`count` bytes from byte `first` on, or as many of them as there are."""
        wanted = f"bytes={first}-{first + count - 1}"
        return self.client.get_object(Bucket=self.bucket, Key=key, Range=wanted)["Body"].read()

    def put_file(
        self,
        path: Path,
        key: str,
        content_type: str = "application/octet-stream",
        on_bytes: Callable[[int], None] | None = None,
    ) -> str:
        """Store a file and return its SHA-256 in hexadecimal."""
        self.client.upload_file(
            str(path),
            self.bucket,
            key,
            ExtraArgs={"ContentType": content_type},
            Callback=on_bytes,
        )
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def get_file(self, key: str, path: Path, on_bytes: Callable[[int], None] | None = None) -> None:
        self.client.download_file(self.bucket, key, str(path), Callback=on_bytes)

    def keys(self, prefix: str) -> Iterator[str]:
        for key, _ in self.entries(prefix):
            yield key

    def entries(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Key and bytes of every object whose key starts with `prefix`."""
        for page in self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        ):
            for entry in page.get("Contents", []):
                yield entry["Key"], entry["Size"]

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below `prefix`, each with a slash at its end."""
        for page in self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/"
        ):
            for entry in page.get("CommonPrefixes", []):
                yield entry["Prefix"]

    def newest(self, prefix: str) -> datetime | None:
        """When the youngest object below `prefix` was written; None if there is none."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        times = (entry["LastModified"] for page in pages for entry in page.get("Contents", []))
        return max(times, default=None)

    def unfinished_uploads(self, prefix: str = "") -> Iterator["UnfinishedUpload"]:
        """Multipart uploads that were neither completed nor aborted."""
        for page in self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket, Prefix=prefix
        ):
            for entry in page.get("Uploads", []):
                yield UnfinishedUpload(entry["Key"], entry["UploadId"], entry["Initiated"])

    def abort(self, upload: "UnfinishedUpload") -> None:
        """Delete the parts of an unfinished upload; one that is gone by now is no error."""
        self.abort_multipart(upload.key, upload.id)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key starts with `prefix` and return how many there were."""
        if not prefix.startswith("tenants/") or prefix.count("/") < 4:
            raise ValueError(f"refusing to delete everything below {prefix!r}")
        count = 0
        for key in list(self.keys(prefix)):
            self.delete(key)
            count += 1
        return count

    def erase_prefix(self, prefix: str) -> None:
        """Leave nothing below `prefix`: no object, no earlier version of one, no part of one.

        Raises:
            RuntimeError: the store still lists something there.
        """
        self.delete_prefix(prefix)
        for upload in list(self.unfinished_uploads(prefix)):
            self.abort(upload)
        if "Status" in self.client.get_bucket_versioning(Bucket=self.bucket):
            self._delete_versions(prefix)
        if next(self.keys(prefix), None) is not None:
            raise RuntimeError(f"the store still has objects below {prefix}")

    def _delete_versions(self, prefix: str) -> None:
        """In a bucket with versioning, what was deleted is still there under its version."""
        pages = self.client.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        for page in list(pages):
            for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                self.client.delete_object(
                    Bucket=self.bucket, Key=entry["Key"], VersionId=entry["VersionId"]
                )

    def presigned_get(self, key: str, filename: str, content_type: str, seconds: int) -> str:
        """A link to one object, always a download under `filename`, never a page."""
        return self._signer.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "ResponseContentDisposition": f'attachment; filename="{filename}"',
                "ResponseContentType": content_type,
            },
            ExpiresIn=seconds,
        )

    def begin_multipart(self, key: str, content_type: str) -> str:
        """Open a multipart upload to `key` and return its id."""
        return self.client.create_multipart_upload(
            Bucket=self.bucket, Key=key, ContentType=content_type
        )["UploadId"]

    def presigned_part(
        self, key: str, upload_id: str, number: int, size: int, sha256: str, seconds: int
    ) -> tuple[str, dict[str, str]]:
        """A link that takes one part of this size and SHA-256, and the headers to send with it."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        url = self._signer.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "UploadId": upload_id,
                "PartNumber": number,
                "ContentLength": size,
                "ChecksumSHA256": checksum,
            },
            ExpiresIn=seconds,
        )
        return url, {"x-amz-checksum-sha256": checksum, "content-length": str(size)}

    def parts_of(self, key: str, upload_id: str) -> dict[int, tuple[int, str]] | None:
        """Size and ETag of the parts that have arrived, by number; None if the upload is gone."""
        try:
            answer = self.client.list_parts(
                Bucket=self.bucket, Key=key, UploadId=upload_id, MaxParts=1000
            )
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise
        return {
            part["PartNumber"]: (part["Size"], part["ETag"]) for part in answer.get("Parts", [])
        }

    def complete_multipart(self, key: str, upload_id: str, etags: dict[int, str]) -> None:
        """Make an object of the parts."""
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())
        ]
        self.client.complete_multipart_upload(
            Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Forget the parts; one that is completed, aborted or unknown is no error."""
        try:
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if _code(error) not in _GONE:
                raise

    def sha256_of(self, key: str, size: int) -> str | None:
        """SHA-256 of an object in hexadecimal; None if there is none of this size."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise
        with closing(answer["Body"]) as body:
            if answer["ContentLength"] != size:
                return None
            digest = hashlib.sha256()
            for chunk in body.iter_chunks(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def multipart(self, key: str, content_type: str) -> "MultipartUpload":
        return MultipartUpload(self, key, content_type)


@dataclass(frozen=True)
class UnfinishedUpload:
    """A multipart upload of which only parts are there."""

    key: str
    id: str
    began_at: datetime


class MultipartUpload:
    """One object written part by part in bounded memory; nothing is visible until `complete`.

    Parts may be written side by side and in any order.
    """

    def __init__(self, store: ObjectStore, key: str, content_type: str) -> None:
        self._store = store
        self._client = store.client
        self._bucket = store.bucket
        self._key = key
        self._etags: dict[int, str] = {}
        self._id = store.begin_multipart(key, content_type)

    def write_part(self, number: int, data: bytes | bytearray) -> None:
        """Store part `number`, from 1; every part but the last must hold at least 5 MiB.

        A bytearray is sent as it is, at once; bytes are read in small blocks by the HTTP client.
        """
        answer = self._client.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            PartNumber=number,
            Body=cast(bytes, data),  # the stubs do not know that a bytearray is welcome
        )
        self._etags[number] = answer["ETag"]

    def complete(self) -> None:
        self._store.complete_multipart(self._key, self._id, self._etags)

    def abort(self) -> None:
        self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._id)

"""What a resumable upload looks like to its owner."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core import tables
from core.settings import MIB
from core.whole import WHOLE
from service.kit.pages import ListOf
from service.kit.text import Name

LEAST_PART = 5 * MIB
MOST_PARTS = 1000
DEFAULT_PART = 16 * MIB

Status = Literal["pending", "completed", "used", "cancelled", "expired"]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class UploadRequest(BaseModel):
    """A file that shall be uploaded in parts."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(
        default="dataset", min_length=1, max_length=200, description="The file's name."
    )
    size_bytes: Annotated[int, Field(strict=True, ge=1, le=2**53), WHOLE] = Field(
        description="Size of the whole file."
    )
    sha256: Sha256 = Field(description="SHA-256 of the whole file, in lower-case hexadecimal.")
    part_size_bytes: Annotated[int, Field(strict=True, ge=LEAST_PART, le=2**32), WHOLE] | None = (
        Field(
            default=None,
            description="Size of every part but the last; chosen for you if left out.",
        )
    )


class Upload(BaseModel):
    """A file on its way in parts."""

    id: str = Field(description="Starts with `upl_`.")
    object: Literal["upload"] = "upload"
    name: str = Field(description="The file's name.")
    status: Status = Field(
        description="`pending` takes parts, `completed` can become a dataset, `used` has become "
        "one; `cancelled` and `expired` hold nothing any more."
    )
    size_bytes: int = Field(description="Size of the whole file.")
    sha256: str = Field(description="SHA-256 of the whole file, in hexadecimal.")
    part_size_bytes: int = Field(description="Size of every part but the last.")
    part_count: int = Field(description="Parts are numbered from 1 to this.")
    dataset_id: str | None = Field(description="The dataset that it has become.")
    created_at: datetime
    expires_at: datetime = Field(
        description="What has not become a dataset by then is deleted, however far it is."
    )
    completed_at: datetime | None

    @classmethod
    def of(cls, row: tables.Upload) -> Self:
        """The public view of a row."""
        return cls.model_validate(
            {
                "id": row.id,
                "name": row.name,
                "status": row.status,
                "size_bytes": row.size_bytes,
                "sha256": row.sha256,
                "part_size_bytes": row.part_size_bytes,
                "part_count": part_count(row),
                "dataset_id": row.dataset_id if row.status == "used" else None,
                "created_at": row.created_at,
                "expires_at": row.expires_at,
                "completed_at": row.completed_at,
            }
        )


def part_count(row: tables.Upload) -> int:
    return -(-row.size_bytes // row.part_size_bytes)


def part_bytes(row: tables.Upload, number: int) -> int:
    """Size of part `number`, from 1."""
    before = (number - 1) * row.part_size_bytes
    return min(row.part_size_bytes, row.size_bytes - before)


class PartRequest(BaseModel):
    """A part that shall be sent."""

    model_config = ConfigDict(extra="forbid")

    number: Annotated[int, Field(strict=True, ge=1, le=MOST_PARTS), WHOLE] = Field(
        description="From 1."
    )
    sha256: Sha256 = Field(description="SHA-256 of the part, in lower-case hexadecimal.")


class PartsRequest(BaseModel):
    """Parts that shall be sent, at most 100 at a time."""

    model_config = ConfigDict(extra="forbid")

    parts: list[PartRequest] = Field(min_length=1, max_length=100)


class PartLink(BaseModel):
    """Where one part goes: `PUT` exactly these bytes with exactly these headers."""

    object: Literal["upload.part_link"] = "upload.part_link"
    number: int = Field(description="The part's number.")
    method: Literal["PUT"] = "PUT"
    url: str = Field(description="Takes this part only; needs no key, so treat it like one.")
    headers: dict[str, str] = Field(description="They are signed: send them as they are.")
    size_bytes: int = Field(description="Size that the part must have.")
    expires_at: datetime = Field(description="When the link stops working. Ask for another then.")


class Part(BaseModel):
    """One part that has arrived."""

    object: Literal["upload.part"] = "upload.part"
    number: int = Field(description="The part's number.")
    size_bytes: int = Field(description="Its size as stored.")


REQUEST = UploadRequest(
    name="photos.zip",
    size_bytes=52428800,
    sha256="8f1c0f6f2c0d8a5b7e3a9d4c1b6e2f7089ab34cd56ef7812904a5b6c7d8e9f01",
    part_size_bytes=DEFAULT_PART,
)
PENDING = Upload(
    id="upl_01k9x2v7q3m8c4r6t5w0ye1hzn",
    name="photos.zip",
    status="pending",
    size_bytes=52428800,
    sha256=REQUEST.sha256,
    part_size_bytes=DEFAULT_PART,
    part_count=4,
    dataset_id=None,
    created_at=datetime.fromisoformat("2026-11-22T10:15:00Z"),
    expires_at=datetime.fromisoformat("2026-11-23T10:15:00Z"),
    completed_at=None,
)
COMPLETED = PENDING.model_copy(
    update={"status": "completed", "completed_at": datetime.fromisoformat("2026-11-22T10:20:00Z")}
)
CANCELLED = PENDING.model_copy(update={"status": "cancelled"})
PAGE = ListOf[Upload](data=[PENDING], has_more=False)
PARTS_REQUEST = PartsRequest(
    parts=[
        PartRequest(
            number=1, sha256="3b7e0c5a9d2f4681b0c3d5e7f9a1b2c4d6e8f0a1b3c5d7e9f1a2b4c6d8e0f2a4"
        )
    ]
)
LINKS = ListOf[PartLink](
    data=[
        PartLink(
            number=1,
            url="https://files.example.org/unlearnable/tenants/...?partNumber=1&X-Amz-Signature=...",
            headers={
                "x-amz-checksum-sha256": "O34MWp0vRoGww9Xn+aGyxNbo8KGzxdfp8aK0xtjg8qQ=",
                "content-length": str(DEFAULT_PART),
            },
            size_bytes=DEFAULT_PART,
            expires_at=datetime.fromisoformat("2026-11-22T10:30:00Z"),
        )
    ],
    has_more=False,
)
PARTS = ListOf[Part](data=[Part(number=1, size_bytes=DEFAULT_PART)], has_more=False)

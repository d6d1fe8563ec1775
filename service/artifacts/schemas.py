"""What an artifact looks like to its owner."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.conversions import Layout
from service.kit.pages import ListOf

Kind = Literal[
    "protected_dataset",
    "protected_images",
    "generator",
    "preview",
    "evaluation",
    "report",
    "figure",
    "manifest",
    "converted_dataset",
    "conversion_manifest",
    "study",
]


class LayoutRequest(BaseModel):
    """In which layout a protected dataset is wanted."""

    model_config = ConfigDict(extra="forbid")

    layout: Literal["uploaded"] | Layout = Field(
        description="`uploaded`: as it came, which every job makes. `image_folder`: a zip of "
        "`train/<class>/*.png` and `test/<class>/*.png`. `parquet`: two files with the features "
        "`image` and `label` of Hugging Face's `datasets`. `npz`: `x_train`, `y_train`, `x_test`, "
        "`y_test`."
    )


class Artifact(BaseModel):
    """A file that a job made, with a link to download it."""

    id: str = Field(description="Starts with `art_`.")
    object: Literal["artifact"] = "artifact"
    name: str = Field(description="The file's name.")
    kind: Kind = Field(description="What it is.")
    content_type: str
    size_bytes: int
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal.")
    url: str = Field(description="Download link; needs no key, so treat it like one.")
    expires_at: datetime = Field(description="When the link stops working. Ask again for another.")


LAYOUT_REQUEST = LayoutRequest(layout="parquet")
LIST = ListOf[Artifact](
    data=[
        Artifact(
            id="art_01k9x31h2j4k6m8n0p2q4r6s8t",
            name="protected.npz",
            kind="protected_dataset",
            content_type="application/octet-stream",
            size_bytes=6120044,
            sha256="3b7e0c5a9d2f4681b0c3d5e7f9a1b2c4d6e8f0a1b3c5d7e9f1a2b4c6d8e0f2a4",
            url="https://files.example.org/unlearnable/tenants/...?X-Amz-Signature=...",
            expires_at=datetime.fromisoformat("2026-11-22T10:35:00Z"),
        )
    ],
    has_more=False,
)
CONVERTED = ListOf[Artifact](
    data=[
        LIST.data[0].model_copy(
            update={
                "id": f"art_01k9x4e2f4g6h8j0k2m4n6p8q{index}",
                "name": name,
                "kind": kind,
                "content_type": content_type,
            }
        )
        for index, (name, kind, content_type) in enumerate(
            (
                ("manifest-parquet.json", "conversion_manifest", "application/json"),
                ("protected-test.parquet", "converted_dataset", "application/vnd.apache.parquet"),
                ("protected-train.parquet", "converted_dataset", "application/vnd.apache.parquet"),
            )
        )
    ],
    has_more=False,
)

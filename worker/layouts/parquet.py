"""A parquet file with Hugging Face's `image` and `label` features."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from worker.layouts.canonical import SPLITS, CanonicalWriter, DatasetSummary, Labels
from worker.layouts.findings import Findings
from worker.layouts.image import decode_image
from worker.layouts.image_folder import Seen
from worker.layouts.labels import check_train_labels
from worker.layouts.limits import Limits
from worker.layouts.notes import cut_note
from worker.layouts.numbered import NumberedPlan, Source, plan_numbered, row_name
from worker.layouts.parquet_file import ParquetReader, refusing_damage
from worker.layouts.problem import BadDataset
from worker.layouts.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

METADATA: Final = b"huggingface"
"""The key under which `datasets` describes the columns."""

_IMAGE_NAMES: Final = ("image", "img")
_LABEL_NAMES: Final = ("label", "labels")
_EXPECTED: Final = (
    "Expected are a column image (bytes, or Hugging Face's struct of bytes and path) and a column "
    "label (whole numbers or text)."
)
_AT_ONCE: Final = 16
"""Images held in memory at a time."""

_MOST_TEXT_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class ParquetPlan:
    """What schema and labels tell: everything but the pixels.

    Attributes:
        numbered: the plan; its one source is the column of images.
        details: what it takes to write the columns again, without the paths.
        has_paths: whether images are structs with a path.
    """

    numbered: NumberedPlan
    details: dict[str, Any]
    has_paths: bool


def plan_parquet(source: ParquetReader, limits: Limits, findings: Findings) -> ParquetPlan:
    """Check schema, sizes and labels, before any image is decoded.

    Raises:
        BadDataset: `parquet_damaged`, `parquet_column_missing`, `parquet_column_unknown`,
            `parquet_value_invalid`, `no_images`, `too_many_images`, `dataset_too_large`,
            `zip_bomb`, and what `check_train_labels` raises.
    """
    schema = source.schema
    image = _column(schema, _IMAGE_NAMES, findings)
    label = _column(schema, _LABEL_NAMES, findings)
    for name in schema.names:
        if name not in {image, label}:
            findings.add(
                BadDataset(
                    "parquet_column_unknown",
                    "A parquet file may hold one column of images and one of labels: another might "
                    f"carry clean copies into the protected dataset. {_EXPECTED} Remove it.",
                    name,
                )
            )
    findings.raise_any()
    has_paths = _has_paths(schema.field(image).type, image)
    _refuse_sizes(source, limits, image)
    names = _class_names(schema, label)
    labels, classes = _labels(source, schema.field(label).type, label, names, limits)
    if len(labels) != source.rows:
        raise BadDataset("parquet_damaged", "The columns differ in length. Write it again.")
    return ParquetPlan(
        plan_numbered("parquet", [Source(image, "train", len(labels))], {"train": labels}, classes),
        {
            "image": image,
            "label": label,
            "label_type": str(schema.field(label).type),
            "class_names": names is not None,
        },
        has_paths,
    )


def read_parquet(
    source: ParquetReader,
    plan: ParquetPlan,
    writer: CanonicalWriter,
    limits: Limits,
    progress: Progress,
    on_member: Callable[[str], None],
    findings: Findings,
) -> None:
    """Decode every image of `plan` into `writer` and finish it.

    Raises:
        BadDataset: `mixed_sizes`, `dataset_too_large`, `parquet_value_invalid`, and what
            `decode_image` raises.
    """
    seen = Seen()
    paths: list[str | None] = []
    numbered = plan.numbered
    column = plan.details["image"]
    for values in source.column(column, _AT_ONCE):
        for value in values:
            row = len(paths)
            name = row_name(column, row)
            on_member(name)
            path: str | None = None
            with findings.collect():
                data, path = _content(value, plan.has_paths, name, limits)
                decoded = decode_image(data, name, limits)
                seen.note(name, decoded, rewritten=True)
            paths.append(path)
            if not findings and not seen.mixed:
                split = "test" if numbered.in_test[row] else "train"
                writer.add("test" if split == "test" else "train", decoded.pixels[None], name)
            progress.add()
    seen.find_other_sizes(findings)
    findings.raise_any()
    counts = numbered.counts()
    writer.finish(
        DatasetSummary(
            layout="parquet",
            classes=numbered.classes,
            counts=counts,
            image_shape=writer.image_shape,
            test_split="cut",
            notes=[
                *seen.notes(writer.gray_made_rgb),
                cut_note(sum(counts["test"].values())),
            ],
        ),
        {split: numbered.names_of(split) for split in SPLITS},
        {split: numbered.labels_of(split) for split in SPLITS},
        plan.details | {"paths": paths if plan.has_paths else None},
    )


def _column(schema: "pa.Schema", names: tuple[str, ...], findings: Findings) -> str:
    found = [name for name in schema.names if name in names]
    if len(found) == 1:
        return cast(str, found[0])
    findings.add(
        BadDataset(
            "parquet_column_missing",
            f"There must be one column of this name, and there are {len(found)}. {_EXPECTED}",
            names[0],
        )
    )
    return names[0]


def _has_paths(kind: "pa.DataType", name: str) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        if fields.keys() == {"bytes", "path"} and _is_bytes(fields["bytes"]):
            return True
    elif _is_bytes(kind):
        return False
    raise BadDataset("images_shape", f"The column is {str(kind)[:200]}. {_EXPECTED}", name)


def _is_bytes(kind: "pa.DataType") -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _refuse_sizes(source: ParquetReader, limits: Limits, image: str) -> None:
    if not source.rows:
        raise BadDataset("no_images", f"The file has no rows. {_EXPECTED}", image)
    if source.rows > limits.max_images:
        raise BadDataset(
            "too_many_images",
            f"The file holds {source.rows:,} images; at most {limits.max_images:,} are read. "
            "Split the dataset into several uploads.",
            image,
        )
    if source.unpacked_bytes > max(limits.ratio_floor_bytes, limits.max_ratio * source.bytes):
        raise BadDataset(
            "zip_bomb",
            f"The file's {source.bytes:,} bytes would unpack to {source.unpacked_bytes:,}, more "
            f"than {limits.max_ratio} times as many. Upload images, not padding.",
            image,
        )
    if source.unpacked_bytes > limits.max_total_bytes:
        raise BadDataset(
            "dataset_too_large",
            f"The file unpacks to {source.unpacked_bytes:,} bytes; at most "
            f"{limits.max_total_bytes:,} are read. Split the dataset into several uploads.",
            image,
        )


def _class_names(schema: "pa.Schema", label: str) -> list[str] | None:
    """The names of Hugging Face's ClassLabel, if the metadata has them."""
    raw = (schema.metadata or {}).get(METADATA)
    if raw is None:
        return None
    try:
        feature = json.loads(raw)["info"]["features"][label]
        names = feature.get("names")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if names is None:
        return None
    if not isinstance(names, list) or not all(map(_is_name, names)) or len(set(names)) < len(names):
        raise BadDataset(
            "parquet_value_invalid",
            "The names of the classes must be different, printable texts of at most "
            f"{_MOST_TEXT_BYTES} bytes.",
            label,
        )
    return names


def _is_name(value: object) -> bool:
    return (
        isinstance(value, str)
        and bool(value)
        and value.isprintable()
        and len(value.encode()) <= _MOST_TEXT_BYTES
    )


def _labels(
    source: ParquetReader, kind: "pa.DataType", column: str, names: list[str] | None, limits: Limits
) -> tuple[Labels, list[str]]:
    """The labels, and the classes in label order."""
    import pyarrow.types as types

    is_text = types.is_string(kind) or types.is_large_string(kind)
    if not (is_text or types.is_integer(kind)):
        raise BadDataset(
            "labels_not_integer",
            f"The column is {str(kind)[:200]}; labels must be whole numbers or text.",
            column,
        )
    values: list[Any] = []
    for batch in source.column(column, 1024):
        if batch.null_count:
            raise BadDataset("parquet_value_invalid", "There is an image without label.", column)
        if batch.nbytes > 1024 * (_MOST_TEXT_BYTES + 16):
            raise BadDataset("parquet_value_invalid", "The labels are too long.", column)
        values += batch.to_pylist()
    if is_text:
        if not all(map(_is_name, set(values))):
            raise BadDataset(
                "parquet_value_invalid",
                f"Labels must be printable texts of at most {_MOST_TEXT_BYTES} bytes.",
                column,
            )
        classes = sorted(set(values))
        label_of = {name: label for label, name in enumerate(classes)}
        labels = np.array([label_of[value] for value in values], np.int64)
        check_train_labels(labels, limits, column)
        return labels, classes
    labels = np.array(values, np.uint64 if kind == "uint64" else np.int64)
    count = check_train_labels(labels, limits, column)
    if names is not None and len(names) < count:
        raise BadDataset(
            "parquet_value_invalid",
            f"There are {count} classes and names for {len(names)} of them.",
            column,
        )
    classes = names[:count] if names is not None else [str(label) for label in range(count)]
    return labels.astype(np.int64), classes


def _content(value: Any, has_paths: bool, name: str, limits: Limits) -> tuple[bytes, str | None]:
    """The bytes of one image, and its path."""
    with refusing_damage():
        path = value["path"].as_py() if has_paths and value.is_valid else None
        data = value["bytes"] if has_paths and value.is_valid else value
        size = len(data.as_buffer()) if data.is_valid else 0
    if not size:
        raise BadDataset(
            "parquet_value_invalid",
            "The row has no bytes. Images must be in the file, not behind a path.",
            name,
        )
    if size > limits.max_member_bytes:
        raise BadDataset(
            "member_too_large",
            f"This image has {size:,} bytes; one may have {limits.max_member_bytes:,}. Make it "
            "smaller.",
            name,
        )
    if path is not None and len(path.encode()) > limits.max_name_bytes:
        raise BadDataset(
            "parquet_value_invalid",
            f"The path is longer than {limits.max_name_bytes} bytes. Shorten it.",
            name,
        )
    return data.as_py(), path

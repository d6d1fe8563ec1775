"""Why an upload is refused, in words for its owner and in a code for their script."""

from typing import Final, Literal, TypedDict, get_args

Code = Literal[
    # the archive
    "not_an_archive",
    "zip_truncated",
    "zip_damaged",
    "zip_encrypted",
    "zip_compression_unsupported",
    "zip_unsafe_name",
    "zip_duplicate_name",
    "zip_special_member",
    "zip_overlapping_members",
    "zip_bomb",
    "too_many_members",
    "member_too_large",
    "dataset_too_large",
    # the layout of an image folder
    "layout_unknown",
    "no_images",
    "train_missing",
    "test_class_unknown",
    "one_class_only",
    "class_too_small",
    "too_many_classes",
    "too_many_images",
    "mixed_sizes",
    # one image
    "not_an_image",
    "image_format_unsupported",
    "image_svg",
    "image_animated",
    "image_truncated",
    "image_damaged",
    "image_too_large",
    "image_too_small",
    "image_has_alpha",
    "image_16_bit",
    "image_mode_unsupported",
    # the arrays of an npz
    "npz_array_missing",
    "npz_array_unknown",
    "npz_array_damaged",
    "npz_object_array",
    "npz_fortran_order",
    "images_not_uint8",
    "images_shape",
    "labels_not_integer",
    "labels_shape",
    "label_count_mismatch",
    "shape_mismatch",
    "labels_out_of_range",
    # the files of MNIST IDX and CIFAR-10 binary
    "binary_file_missing",
    "binary_file_unknown",
    "binary_file_damaged",
    # the columns of a parquet file
    "parquet_damaged",
    "parquet_column_missing",
    "parquet_column_unknown",
    "parquet_value_invalid",
    # the process that reads
    "decoder_limits",
]
CODES: Final = frozenset[str](get_args(Code))

_LONGEST_MEMBER = 200


class FileProblem(TypedDict):
    """What is wrong with one file; `file` is None where it is the upload as a whole."""

    file: str | None
    code: Code
    message: str


class Report(TypedDict):
    """Everything that is wrong: `total` problems, of which `files` lists the first."""

    total: int
    files: list[FileProblem]


class ProblemJson(TypedDict):
    """A `BadDataset` as JSON."""

    code: Code
    message: str
    member: str | None
    report: Report


class BadDataset(Exception):
    """The upload cannot become a dataset.

    Attributes:
        code: stable, snake_case, one of `CODES`.
        message: a sentence that says what is wrong and what to do next.
        member: the name of the zip member, class folder or npz array at fault; None when it is
            the archive as a whole. Control characters are replaced and long names cut, so that it
            can be shown and logged as it is.
        report: all that was found, this problem first.
    """

    def __init__(
        self, code: Code, message: str, member: str | None = None, report: Report | None = None
    ) -> None:
        shown = None if member is None else printable(member)
        super().__init__(code, message, shown)
        self.code: Code = code
        self.message = message
        self.member = shown
        self.report: Report = report or {
            "total": 1,
            "files": [{"file": shown, "code": code, "message": message}],
        }

    def __str__(self) -> str:
        where = "" if self.member is None else f"{self.member}: "
        return f"{where}{self.message} ({self.code})"

    def to_json(self) -> ProblemJson:
        return {
            "code": self.code,
            "message": self.message,
            "member": self.member,
            "report": self.report,
        }

    @classmethod
    def from_json(cls, data: ProblemJson) -> "BadDataset":
        return cls(data["code"], data["message"], data["member"], data["report"])


class ReadCancelled(Exception):
    """The caller's `cancelled()` said so while an upload was being read."""


def limits_problem(what: str, member: str | None) -> BadDataset:
    """The refusal for an upload whose reading ran out of `what`."""
    return BadDataset(
        "decoder_limits",
        f"Reading the dataset took more {what} than one dataset may have. Remove or re-export this "
        "file if one is named, or split the dataset into smaller uploads.",
        member,
    )


def printable(name: str) -> str:
    """`name` without control characters, at most 200 characters long."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    if len(shown) <= _LONGEST_MEMBER:
        return shown
    return shown[: _LONGEST_MEMBER - 1] + "…"

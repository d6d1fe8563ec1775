"""What can be wrong with what is asked of a generator."""

from core import few_images
from core.problem import Refused
from core.settings import MIB
from service.kit.problems import Conflict, Refusal

_LARGER = "Upload more or larger images as a dataset, and protect that."


def generator_not_found() -> Refused:
    return Refused(
        "generator_not_found",
        "There is no such generator. GET /v1/generators lists yours.",
        status=404,
    )


def generator_in_use() -> Conflict:
    return Conflict(
        "generator_in_use",
        "A job that protects with this generator has not ended. Cancel it, or wait.",
    )


def classes_differ() -> Refused:
    return Refused(
        "classes_differ",
        "The generator was trained on other classes and needs to know them. Upload the images "
        "under the same class names, in the same order, or train a generator with conditioning "
        "none and without a label map.",
        "dataset_id",
    )


def channels_differ(trained: int, given: int) -> Refused:
    return Refused(
        "channels_differ",
        f"The generator was trained on images of {trained} channel(s), these have {given}.",
        "dataset_id",
    )


def images_field_unknown(name: str) -> Refusal:
    return Refusal(
        422,
        "field_unknown",
        f"{name}: unknown field. This form takes file (an image or a small zip; up to "
        f"{few_images.MAX_FILES} times) and label (once for all, or once for each).",
        name,
    )


def images_missing() -> Refusal:
    return Refusal(
        422, "file_missing", "The form has no file, or an empty one: curl -F file=@cat.png", "file"
    )


def images_too_large() -> Refusal:
    return Refusal(
        413,
        "upload_too_large",
        f"The images have more than {few_images.MAX_BYTES // MIB} MiB together. {_LARGER}",
        "file",
    )


def labels_do_not_match(labels: int, files: int) -> Refusal:
    return Refusal(
        422,
        "labels_do_not_match",
        f"There are {labels} labels for {files} files: send one for all, or one for each, in the "
        "same order.",
        "label",
    )


def label_missing() -> Refusal:
    """The generator tells classes apart."""
    return Refusal(
        422,
        "label_missing",
        "The generator needs the class of every image: send the field label, or a zip with a "
        "folder for each class. GET the generator to see its classes.",
        "label",
    )


def label_unknown(name: str) -> Refusal:
    return Refusal(
        422,
        "class_unknown",
        f"{name[:80]!r} is no class of this generator; GET the generator to see its classes.",
        "label",
    )


def images_given_up() -> Conflict:
    return Conflict("job_cancelled", "The protection was cancelled while you waited for it.")


def body_expected() -> Refusal:
    return Refusal(
        415,
        "content_type_unsupported",
        "Send JSON that names a dataset, or images as multipart/form-data: curl -F file=@cat.png",
    )

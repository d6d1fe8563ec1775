"""The form with which a few images are sent to be protected at once."""

from dataclasses import dataclass

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core import few_images
from service.datasets.problems import form_malformed, upload_interrupted
from service.generators import problems
from service.kit.text import printable

# What the form's boundaries, headers and labels may add to the files.
MAX_BODY = few_images.MAX_BYTES + 256 * 1024
MAX_CONCURRENT = 16
"""Each holds what was sent once in memory on its way to the store."""
_LABEL_BYTES = 4096


@dataclass(frozen=True)
class SentFile:
    """One file: its name, its bytes, and the class of its images in its sender's words."""

    name: str
    content: bytes
    label: str | None


async def read_images_form(request: Request) -> list[SentFile]:
    """The files and labels of a multipart form.

    Raises:
        Refusal: it is no such form.
    """
    try:
        async with request.form(
            max_files=few_images.MAX_FILES,
            max_fields=few_images.MAX_FILES,
            max_part_size=_LABEL_BYTES,
        ) as form:
            files: list[tuple[str, bytes]] = []
            labels: list[str] = []
            for field, value in form.multi_items():
                if field == "file" and isinstance(value, UploadFile):
                    name = printable((value.filename or "").replace("\\", "/").rsplit("/", 1)[-1])
                    files.append((name[:200] or "image", await value.read()))
                elif field == "label" and isinstance(value, str):
                    labels.append(value)
                else:
                    raise problems.images_field_unknown(printable(field)[:80])
    except ClientDisconnect as error:
        raise upload_interrupted() from error
    except FormParserError as error:
        raise form_malformed("a boundary or a header is not as it must be") from error
    except HTTPException as error:
        if error.status_code == 413:
            raise problems.images_too_large() from error
        raise form_malformed(str(error.detail).rstrip(".").lower()) from error
    if not files or not all(content for _, content in files):
        raise problems.images_missing()
    if len(labels) not in {0, 1, len(files)}:
        raise problems.labels_do_not_match(len(labels), len(files))
    if len(labels) != 1:
        chosen: list[str | None] = [*labels] or [None] * len(files)
    else:
        chosen = [*labels] * len(files)
    return [
        SentFile(name, content, label) for (name, content), label in zip(files, chosen, strict=True)
    ]

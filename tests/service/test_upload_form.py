"""Upload forms that cannot be used, and forms cut at every byte."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from fastapi import FastAPI
from httpx2 import Response

from core.object_store import ObjectStore, tenant_prefix
from service.datasets.form import UploadForm
from service.datasets.upload import MAX_CONCURRENT, Gate
from tests.service.played import Owner, problem

FILE = 'name="file"; filename="a.zip"'
NAME = 'name="name"'


def form(*parts: tuple[str, str], end: str = "--XX--\r\n") -> bytes:
    sections = (
        f"--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n" for head, body in parts
    )
    return ("".join(sections) + end).encode()


def send(
    owner: Owner, body: bytes, content_type: str = "multipart/form-data; boundary=XX"
) -> Response:
    return owner.api.post(
        "/v1/datasets",
        content=body,
        headers={"Content-Type": content_type, "Prefer": "respond-async"},
    )


@pytest.fixture(autouse=True)
def _nothing_remains(owner: Owner, store: ObjectStore) -> Iterator[None]:
    yield
    prefix = tenant_prefix(owner.tenant_id)
    assert list(store.keys(prefix)) == []
    uploads = store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=prefix)
    assert uploads.get("Uploads", []) == []
    assert owner.api.get("/v1/datasets").json()["data"] == []


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, "form_malformed", None),
        (b"no form at all", 400, "form_malformed", None),
        (form(end=""), 400, "form_malformed", None),
        (form((FILE, "x"), end=""), 400, "form_malformed", None),
        (form((FILE, "x"), end="--XX"), 400, "form_malformed", None),
        (form((FILE, "x")).replace(b"--XX--", b"--YY--"), 400, "form_malformed", None),
        (b"--XX\r\nBad Header: x\r\n\r\nx\r\n--XX--", 400, "form_malformed", None),
        (b"--XX\r\n" + b"A: b\r\n" * 1000 + b"\r\nx\r\n--XX--", 400, "form_malformed", None),
        (b"--XX\r\nA: " + b"b" * 100_000 + b"\r\n\r\nx\r\n--XX--", 400, "form_malformed", None),
        (form(end="--XX--\r\n"), 422, "file_missing", "file"),
        (form((NAME, "birds")), 422, "file_missing", "file"),
        (form(('name="file"', "x")), 422, "file_missing", "file"),
        (form((FILE, "")), 422, "upload_empty", "file"),
        (form((FILE, "x"), (FILE, "y")), 422, "file_repeated", "file"),
        (form(('name="photos"; filename="a"', "x")), 422, "field_unknown", "photos"),
        (form((FILE, "x"), ('name="epsilon"', "0.3")), 422, "field_unknown", "epsilon"),
        (form(("", "x")), 422, "field_unknown", ""),
        (form((FILE, "x"), (NAME, "y" * 201)), 422, "field_invalid", "name"),
        (form((FILE, "x"), (NAME, "y" * 10_000)), 422, "field_invalid", "name"),
        (form((FILE, "x"), (NAME, "a"), (NAME, "b")), 422, "field_invalid", "name"),
        (form((FILE, "x"), (NAME, "!")).replace(b"!", b"\xff"), 422, "field_invalid", "name"),
        (form((FILE, "x"), ('name="name"; filename="n"', "b")), 422, "field_invalid", "name"),
    ],
)  # fmt: skip
def test_bad_forms(owner: Owner, body: bytes, status: int, code: str, param: str | None) -> None:
    problem(send(owner, body), status, code, param)


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        ("application/zip", 415, "content_type_unsupported"),
        ("application/json", 400, "json_invalid"),
        ("", 415, "content_type_unsupported"),
        ("multipart/mixed; boundary=XX", 415, "content_type_unsupported"),
        ("multipart/form-data", 400, "form_malformed"),
        ("multipart/form-data; boundary=", 400, "form_malformed"),
        ("multipart/form-data; boundary=" + "x" * 1000, 400, "form_malformed"),
    ],
)
def test_bad_content_types(owner: Owner, content_type: str, status: int, code: str) -> None:
    problem(send(owner, form((FILE, "x")), content_type), status, code)


def test_no_more_uploads_than_memory_allows(app: FastAPI, owner: Owner) -> None:
    uploads: Gate = app.state.uploads
    with ExitStack() as stack:
        for _ in range(MAX_CONCURRENT):
            stack.enter_context(uploads.enter())
        response = send(owner, form((FILE, "x")))
    problem(response, 503, "uploads_busy")
    assert response.headers["retry-after"]


def test_a_form_reads_the_same_wherever_it_is_cut() -> None:
    content = "\r\n--XY\r\n--X\r\n-\r--XX \r\n\r\n"
    body = form((NAME, "birds"), (FILE, content))
    for cut in range(len(body) + 1):
        reader = UploadForm("multipart/form-data; boundary=XX")
        pieces = [bytes(piece) for half in (body[:cut], body[cut:]) for piece in reader.feed(half)]
        reader.end()
        assert b"".join(pieces) == content.encode()
        assert reader.name == "birds"

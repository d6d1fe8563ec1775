"""Bad uploads over HTTP: each is refused with its code and the file at fault, and nothing remains.

`tests/worker/layouts` holds every bad file; here one of each code goes the whole way.
"""

import pytest

from core.object_store import ObjectStore
from tests.end_to_end.owner import Owner
from tests.worker.layouts.bad_files import BAD_FILES

ONE_OF_EACH = {bad.code: name for name, bad in reversed(BAD_FILES.items())}
# Named by the owners' list of what must be refused, beside the first of their code.
ALSO = ("animated_gif", "svg", "absolute", "png_of_50000", "float_images", "nan_images")


@pytest.mark.parametrize("name", sorted({*ONE_OF_EACH.values(), *ALSO}))
def test_refused_with_code_and_member(owner: Owner, name: str) -> None:
    bad = BAD_FILES[name]
    response = owner.http.post("/v1/datasets", files={"file": (name, bad.build())})
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    if name == "empty_file":  # refused before anybody reads it
        assert (response.status_code, problem["code"]) == (422, "upload_empty")
        return
    assert (response.status_code, problem["code"]) == (422, bad.code)
    if bad.member is not None:
        assert problem["param"] == bad.member
    assert problem["detail"].endswith(".")


def test_nothing_half_made_remains(owner: Owner, store: ObjectStore) -> None:
    """Runs after the refusals above, in file order."""
    datasets = owner.http.get("/v1/datasets", params={"limit": 100}).json()["data"]
    kept = {dataset["id"] for dataset in datasets}
    assert all(dataset["status"] == "ready" for dataset in datasets)
    strays = {
        key.split("/datasets/")[1].split("/")[0]
        for key in store.keys("tenants/")
        if "/datasets/" in key
    } - kept
    assert strays == set()
    unfinished = store.client.list_multipart_uploads(Bucket=store.bucket)
    assert unfinished.get("Uploads", []) == []

"""What a stack logs: one JSON object a line, ids, and nothing of an owner's data."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from core.object_store import ObjectStore, dataset_prefix
from tests.end_to_end.owner import Json, Owner

PROCESSES = ("api", "worker-ingest", "worker-compute", "sweeper", "webhooks")
# Nothing that contains one of these may turn up in a log.
OWNERS_WORDS = ("zebra", "quagga", "okapi")


def image(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def folder(*, broken: bool) -> bytes:
    """An image folder whose classes and files have names that nobody else uses."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for index in range(16):
            for name in OWNERS_WORDS[:2]:
                archive.writestr(f"{name}-class/{name}-{index}.png", image(index))
        if broken:
            archive.writestr("zebra-class/zebra-broken.png", image(99)[:-40])
    return file.getvalue()


def entries(logs: Path) -> list[dict[str, Any]]:
    found = []
    for name in PROCESSES:
        for line in (logs / f"{name}.log").read_text().splitlines():
            found.append(json.loads(line) | {"process": name})
    return found


def test_logs_tell_ids_and_no_data(owner: Owner, store: ObjectStore) -> None:
    http = owner.http
    refused = http.post(
        "/v1/datasets", files={"file": ("okapi.zip", folder(broken=True))}, data={"name": "okapi"}
    )
    assert refused.status_code == 422
    assert "zebra-broken.png" in refused.text
    uploaded = http.post("/v1/datasets", files={"file": ("okapi.zip", folder(broken=False))})
    assert uploaded.status_code == 201, uploaded.text
    dataset: Json = uploaded.json()
    made: Json = http.post("/v1/api_keys", json={"name": "quagga", "scopes": ["jobs:read"]}).json()
    turned: Json = http.post(f"/v1/api_keys/{made['id']}/rotate", json={"grace_seconds": 60}).json()
    for key in (made, turned):
        bearer = {"Authorization": f"Bearer {key['secret']}"}
        assert http.get("/v1/jobs", headers=bearer).status_code == 200
        # In places where no key belongs, too.
        assert http.post(f"/v1/jobs?{key['secret']}", headers=bearer).status_code == 403
        assert http.get(f"/v1/jobs/{key['secret']}").status_code == 404
    stranger = httpx2.Client(base_url=str(http.base_url), trust_env=False)
    with stranger:
        bearer = {"Authorization": "Bearer okapi-key"}
        assert stranger.get("/v1/jobs?limit=okapi", headers=bearer).status_code == 401
    assert http.get("/v1/datasets/okapi.png?okapi=1").status_code == 404
    assert http.post("/v1/jobs", json={"okapi": "zebra"}).status_code == 422
    assert http.get("/okapi").status_code == 404

    # A step that fails for a reason that nobody foresaw: what it works on is gone.
    [tenant] = {key.split("/")[1] for key in store.keys("tenants/") if dataset["id"] in key}
    for key in store.keys(dataset_prefix(tenant, dataset["id"])):
        store.delete(key)
    answer = http.post(
        "/v1/jobs",
        json={"dataset_id": dataset["id"], "epsilon": 0.1, "label_map": "shift"},
        headers={"X-Request-ID": "trace-7"},
    )
    job, _ = owner.finish(answer.json()["id"])
    assert (job["status"], job["error"]["code"]) == ("failed", "step_failed")

    found = entries(owner.stack.logs)
    assert {entry["process"] for entry in found} == set(PROCESSES)
    text = json.dumps(found)
    secrets = [path.read_text().strip() for path in (owner.stack.data / "secrets").iterdir()]
    for word in (*OWNERS_WORDS, *secrets, made["secret"], turned["secret"]):
        assert word not in text
    for entry in found:
        assert {"time", "level", "logger", "message", "role", "pid"} <= set(entry), entry

    [created] = [entry for entry in found if entry.get("request_id") == "trace-7"]
    assert (created["tenant"], created["route"], created["status"]) == (tenant, "/v1/jobs", 202)
    step = [entry for entry in found if entry.get("job_id") == job["id"] and "step_id" in entry]
    assert {entry["tenant"] for entry in step} == {tenant}
    assert {entry["attempt"] for entry in step} == {1}
    [failure] = [entry for entry in step if "error" in entry]
    assert failure["error"][0]["code"] == "404"

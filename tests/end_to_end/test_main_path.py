"""Upload, job, poll, evaluation, download: what comes back is the dataset, protected."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.owner import Arrays, Json, Owner, decode

LEVELS = 40
ARTIFACTS = {
    "preview.png",
    "generator.safetensors",
    "evaluation.json",
    "report.html",
    "figure-learning-curves.png",
    "figure-learning-curves.pdf",
    "figure-confusion.png",
    "figure-confusion.pdf",
    "manifest.json",
}


def test_image_folder(owner: Owner, folder_zip: Callable[..., Path]) -> None:
    path = folder_zip(split=True)
    dataset = owner.upload(path)
    assert dataset["layout"] == "image_folder"
    assert dataset["classes"] == ["one", "three", "two", "zero"]
    assert dataset["counts"]["train"] == dict.fromkeys(dataset["classes"], 20)
    assert dataset["image_shape"] == [28, 28, 1]
    asked = {"label_map": "shift", "budget_seconds": 5, "seed": 7}
    plain = {"evaluation": {"countermeasures": []}}
    job = owner.start(dataset, epsilon=f"{LEVELS}/255", **asked, **plain)
    assert job["label_map"] == {"one": "three", "three": "two", "two": "zero", "zero": "one"}

    job, seen = owner.finish(job["id"])
    assert job["status"] == "succeeded", job["error"]
    phases = list(dict.fromkeys(one["phase"] for one in seen if one["phase"]))
    assert phases == ["training", "protecting", "evaluating"]
    progress = [one["progress"] for one in seen]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    assert len(set(progress)) > 5

    files = owner.download(job["id"])
    assert set(files) == ARTIFACTS | {"protected.zip"}
    with (
        zipfile.ZipFile(path) as before,
        zipfile.ZipFile(io.BytesIO(files["protected.zip"])) as after,
    ):
        assert after.namelist() == before.namelist()
        largest = 0
        for name in before.namelist():
            if name.startswith("test/"):
                assert after.read(name) == before.read(name)
                continue
            clean, protected = decode(before.read(name)), decode(after.read(name))
            assert clean.shape == protected.shape
            largest = max(largest, int(np.abs(clean - protected).max()))
    assert 0 < largest <= LEVELS

    evaluation = owner.http.get(f"/v1/jobs/{job['id']}/evaluation").json()
    assert evaluation["linf"] == largest
    assert evaluation["max_change"] == LEVELS
    assert 0 <= evaluation["targeted_success"] <= 100
    assert evaluation["verdict"]["summary"]
    assert sum(map(sum, evaluation["victims"][0]["confusion"])) == 80
    assert json.loads(files["evaluation.json"])["protected_accuracy"] == pytest.approx(
        evaluation["protected_accuracy"]
    )
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    assert manifest["upload_sha256"] == dataset["sha256"]
    assert decode(files["preview.png"]).shape[2] == 3


def test_npz_and_the_same_bytes_from_a_set_number_of_steps(
    owner: Owner, digits: Arrays, digits_npz: Json
) -> None:
    asked = {"epsilon": 0.3, "training_steps": 20, "seed": 3}
    job, _ = owner.finish(owner.start(digits_npz, **asked)["id"])
    assert job["status"] == "succeeded", job["error"]
    files = owner.download(job["id"])
    with np.load(io.BytesIO(files["protected.npz"]), allow_pickle=False) as after:
        assert list(after) == list(digits)
        for name in ("y_train", "x_test", "y_test"):
            np.testing.assert_array_equal(after[name], digits[name])
        assert after["x_train"].dtype == np.uint8
        change = np.abs(after["x_train"].astype(np.int16) - digits["x_train"]).max()
    assert 0 < change <= 76
    tried = owner.http.get(f"/v1/jobs/{job['id']}/evaluation").json()
    assert {row["countermeasure"] for row in tried["rows"]} >= {"jpeg-50", "class-mean-subtraction"}
    assert [one["countermeasure"] for one in tried["skipped"]] == ["grayscale"]

    # What is measured afterwards has no part in the bytes.
    quick = {"victims": [{"victim": "small-strided", "epochs": 1}], "countermeasures": []}
    again, _ = owner.finish(owner.start(digits_npz, **asked, evaluation=quick)["id"])
    assert again["status"] == "succeeded", again["error"]
    assert owner.download(again["id"])["protected.npz"] == files["protected.npz"]

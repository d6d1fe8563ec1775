"""Requests made from the OpenAPI document, valid and not, sent with a key to a real stack.

    python -m benchmarks.fuzz [--json] [--cases 2000] [--seed 0] [--only WORD]

Starts the whole stack, lets a small job run to its end, stops the worker that trains (so that the
jobs that follow stay in the queue), and then sends what schemathesis makes of every call: its
boundary cases first, then random ones, half of them invalid on purpose. Three of four valid ids are
replaced by ids of things that are there, so that requests get past the first look. Figures:

    cases            requests that were sent and whose answers were checked
    operations       calls of the document that they were sent to
    failures         cases with an answer that breaks a check
    server_errors    cases answered by 5xx, or not at all
    by_check         failures by check; a case may break several
    by_status        answers by HTTP status: how deep the requests got
    left_out         checks that were not made, and why
    seconds          for all of them
    seed             which cases were drawn: the same seed draws the same

What breaks a check is told on stderr with a curl command. Exits with 1 unless there was nothing.
"""

import argparse
import io
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import httpx2
import numpy as np
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, CheckContext, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation

from cli.stack.stack import running_stack

LEFT_OUT = {
    "positive_data_acceptance": "refuses every 422 of valid data, also by rules that no schema can "
    "say, such as whose dataset it is; `valid_data_is_refused_by_a_rule` takes its place",
    "negative_data_rejection of multipart forms": "in a form every value is text, so none has a "
    "wrong type; schemathesis knows that, but not of a form with a file",
    "negative_data_rejection of random requests without a key": "ours is put there; the boundary "
    "cases and `ignored_auth` send none",
    "use_after_free": "needs chains of calls by OpenAPI links, of which the document has none",
    "ensure_resource_availability": "as use_after_free",
    "object_level_authorization": "as use_after_free; tests/service/test_other_tenants.py walks "
    "every call with another tenant's key",
}
# Codes that say: this is not what the schema describes.
SCHEMA_CODES = {
    *("field_invalid", "field_missing", "field_unknown", "json_invalid", "body_unreadable"),
    *("content_type_unsupported", "form_malformed", "file_missing", "file_repeated"),
    "idempotency_key_invalid",
}
PROBLEM_JSON = "application/problem+json"
TIMEOUT_SECONDS = 60.0
JOB_SECONDS = 300.0

Things = Mapping[str, Sequence[str]]
"""Ids of things that are there, by the name of the parameter or field that takes them."""


@schemathesis.check
def problem_is_documented(_: CheckContext, response: Response, case: Case) -> None:
    """Every refusal is problem+json, with a code that the document names for its status."""
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == [PROBLEM_JSON], "not problem+json"
    problem = response.json()
    assert problem["request_id"] == response.headers["x-request-id"][0], "another request_id"
    if problem["code"] == "method_not_allowed" or "validation_report" in problem:
        return  # the document names no foreign methods, and no worker's verdict on files
    told = case.operation.definition.raw["responses"].get(str(response.status_code))
    assert told is not None, f"{response.status_code} is not documented"
    codes = told["content"][PROBLEM_JSON]["examples"]
    assert problem["code"] in codes, f"{problem['code']} is not documented"


@schemathesis.check
def valid_data_is_refused_by_a_rule(_: CheckContext, response: Response, case: Case) -> None:
    """What the schema allows is not refused for its form."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code in {400, 413, 415, 422}:
        code = response.json()["code"]
        assert code not in SCHEMA_CODES, f"{code}, though the schema allows it"


class Fuzz:
    """Sends cases and counts what comes of them.

    Args:
        url: where the API answers.
        key: an API key.
        things: of the key's tenant.
        seed: decides the random cases.
    """

    def __init__(self, url: str, key: str, things: Things, seed: int) -> None:
        self.cases = self.server_errors = self.failures = 0
        self.by_check: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self._operations: set[str] = set()
        self._told: set[tuple[str, str, int]] = set()
        self._url, self._things, self._seed = url, things, seed
        self._headers = {"Authorization": f"Bearer {key}"}
        load_all_checks()
        self._checks = [
            (name, CHECKS.get_one(name)) for name in CHECKS.get_all_names() if name not in LEFT_OUT
        ]
        document = httpx2.get(
            f"{url}/openapi.json", timeout=TIMEOUT_SECONDS, trust_env=False
        ).json()
        config = SchemathesisConfig()
        self._schema = schemathesis.openapi.from_dict(document, config=config)

    def run(self, most: int, only: str = "") -> None:
        """Send `most` cases, evenly spread over all calls whose label holds `only`."""
        operations = [found.ok() for found in self._schema.get_all_operations()]
        # What takes things away comes last.
        operations = sorted(
            (operation for operation in operations if only in operation.label),
            key=lambda operation: (
                operation.method == "delete" or operation.path.endswith(("/cancel", "/erase"))
            ),
        )
        budget = self.cases + most
        boundaries = [self._boundaries(operation) for operation in operations]
        share = max(1, most // 2 // len(operations))
        for case in chain.from_iterable(islice(cases, share) for cases in boundaries):
            self._send(case)
        at_once = min(max(share // 2, 3), 10)
        number = self._seed
        while self.cases < budget:
            number += 1
            for operation in operations:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    for case in drawn(operation, mode, number, at_once):
                        if self.cases < budget:
                            self._send(case)

    def summary(self) -> dict[str, Any]:
        return {
            "cases": self.cases,
            "operations": len(self._operations),
            "failures": self.failures,
            "server_errors": self.server_errors,
            "by_check": {name: self.by_check[name] for name, _ in self._checks},
            "by_status": {str(status): n for status, n in sorted(self.by_status.items())},
            "left_out": LEFT_OUT,
        }

    def _boundaries(self, operation: APIOperation) -> Iterator[Case]:
        return self._schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=self._schema.config.generation_for(operation=operation),
        )

    def _send(self, case: Case) -> None:
        if self.cases % 4:
            at_home(case, self._things, self.cases)
        do_not_wait(case)
        # What was wrong with it may be that it has no key, and ours is put there; or the type of a
        # form's field, and every field of a form is text.
        is_mended = case.media_type == "multipart/form-data" or (
            _is_negative(case, ParameterLocation.HEADER) and not case.headers.get("Authorization")
        )
        self.cases += 1
        self._operations.add(case.operation.label)
        try:
            response = case.call(
                self._url, headers=self._headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            self.server_errors += 1
            self._fail(case, "answered", 0, f"{error!r}\n{case.as_curl_command()}")
            return
        self.by_status[response.status_code] += 1
        self.server_errors += response.status_code >= 500
        self._check(case, response, is_mended)

    def _check(self, case: Case, response: Response, is_mended: bool) -> None:
        broken = 0
        for name, check in self._checks:
            if is_mended and name == "negative_data_rejection":
                continue
            try:
                case.validate_response(
                    response,
                    checks=[check],
                    headers=self._headers,
                    transport_kwargs={"base_url": self._url, "headers": self._headers},
                )
            except FailureGroup as failed:
                broken += 1
                self._note(case, name, response.status_code, str(failed))
        self.failures += broken > 0

    def _fail(self, case: Case, name: str, status: int, text: str) -> None:
        self.failures += 1
        self._note(case, name, status, text)

    def _note(self, case: Case, name: str, status: int, text: str) -> None:
        """Count a broken check, and tell the first of its kind, without the key."""
        self.by_check[name] += 1
        kind = (case.operation.label, name, status)
        if kind not in self._told:
            self._told.add(kind)
            hidden = re.sub(r"Bearer \w+", "Bearer $KEY", text)
            print(f"{case.operation.label}: {name}\n{hidden}\n", file=sys.stderr)


def drawn(operation: APIOperation, mode: GenerationMode, seed: int, count: int) -> list[Case]:
    """Random cases of a kind; none where a call takes nothing that could be wrong."""
    found: list[Case] = []

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode))
    def draw(case: Case) -> None:
        found.append(case)

    try:
        draw()
    except Unsatisfiable:
        return []
    return found


def at_home(case: Case, things: Things, number: int) -> None:
    """Put ids of things that are there where a case has valid ones."""

    def known(name: str, value: Any) -> Any:
        found = things.get(name)
        return found[number % len(found)] if found and isinstance(value, str) else value

    if not _is_negative(case, ParameterLocation.PATH):
        for name, value in dict(case.path_parameters).items():
            case.path_parameters[name] = known(name, value)
    if isinstance(case.body, dict) and not _is_negative(case, ParameterLocation.BODY):
        for name, value in dict(case.body).items():
            case.body[name] = known(name, value)


def do_not_wait(case: Case) -> None:
    """A long poll is a long poll: wait for milliseconds where seconds are asked for."""
    wait = case.query.get("wait")
    if isinstance(wait, int | float) and 0 < wait <= 60:
        case.query["wait"] = wait / 1000


def _is_negative(case: Case, location: ParameterLocation) -> bool:
    return case.meta is not None and case.meta.is_negative_at(location)


def small_npz() -> bytes:
    """A dataset of 48 images of two classes, 8 x 8."""
    draw = np.random.default_rng(0)
    file = io.BytesIO()
    labels = np.arange(32) % 2
    np.savez(
        file,
        x_train=draw.integers(0, 256, (32, 8, 8), dtype=np.uint8),
        y_train=labels,
        x_test=draw.integers(0, 256, (16, 8, 8), dtype=np.uint8),
        y_test=labels[:16],
    )
    return file.getvalue()


def finished_things(api: httpx2.Client) -> dict[str, list[str]]:
    """A dataset with a job that has ended, and what came out of it."""
    dataset = _made(api.post("/v1/datasets", files={"file": ("small.npz", small_npz())}))
    job = _made(
        api.post(
            "/v1/jobs",
            json={
                "dataset_id": dataset["id"],
                "epsilon": 0.3,
                "training_steps": 2,
                "evaluation": {
                    "victims": [{"victim": "small-strided", "epochs": 1}],
                    "countermeasures": [],
                },
            },
        )
    )
    deadline = time.monotonic() + JOB_SECONDS
    while job["status"] != "succeeded":
        if job["status"] in {"failed", "cancelled"} or time.monotonic() > deadline:
            raise RuntimeError(f"the job is {job['status']}: {job['error']}")
        job = _made(api.get(f"/v1/jobs/{job['id']}", params={"wait": 10}))
    artifacts = _made(api.get(f"/v1/jobs/{job['id']}/artifacts"))["data"]
    generators = _made(api.get("/v1/generators"))["data"]
    return {
        "dataset_id": [dataset["id"]],
        "job_id": [job["id"]],
        "artifact_id": [artifact["id"] for artifact in artifacts],
        "generator_id": [generator["id"] for generator in generators],
    }


def open_things(api: httpx2.Client, dataset_id: str) -> dict[str, list[str]]:
    """What waits: a job in the queue, and an upload without its bytes."""
    job = _made(api.post("/v1/jobs", json={"dataset_id": dataset_id, "epsilon": 0.3}))
    upload = _made(api.post("/v1/uploads", json={"size_bytes": 3, "sha256": "0" * 64}))
    return {
        "dataset_id": [dataset_id],
        "clean_dataset_id": [dataset_id],
        "protected_dataset_id": [dataset_id],
        "job_id": [job["id"]],
        "upload_id": [upload["id"]],
    }


def _made(answer: httpx2.Response) -> dict[str, Any]:
    answer.raise_for_status()
    return dict(answer.json())


def merged(*parts: Things) -> Things:
    names = {name for part in parts for name in part}
    return {name: [thing for part in parts for thing in part.get(name, [])] for name in names}


def measure(most: int, seed: int, only: str = "") -> dict[str, Any]:
    """Send cases to a stack of their own."""
    # Nobody waits for verdicts, and the limit of requests has tests of its own.
    os.environ.update(
        {
            "UNLEARNABLE_UPLOAD_WAIT_SECONDS": "5",
            "UNLEARNABLE_RATE_LIMIT_PER_SECOND": "10000",
            "UNLEARNABLE_RATE_LIMIT_BURST": "100000",
        }
    )
    with (
        running_stack() as stack,
        httpx2.Client(
            base_url=stack.api_url,
            headers={"Authorization": f"Bearer {stack.api_key}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        ) as api,
    ):
        finished = finished_things(api)
        os.kill(stack.processes["worker-compute"], signal.SIGTERM)
        things = merged(finished, open_things(api, finished["dataset_id"][0]))
        started = time.perf_counter()
        fuzz = Fuzz(stack.api_url, stack.api_key, things, seed)
        fuzz.run(most, only)
        seconds = time.perf_counter() - started
        # With a key that was revoked on the way, everything would have been 401.
        _made(api.get("/v1/jobs"))
    return fuzz.summary() | {"seconds": round(seconds, 1), "seed": seed}


def main() -> None:
    parser = argparse.ArgumentParser(description="Send what the OpenAPI document allows, and not.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only calls with this in 'METHOD /path'")
    arguments = parser.parse_args()
    figures = measure(arguments.cases, arguments.seed, arguments.only)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for title, value in figures.items():
            print(f"{title:15} {value}")
    sys.exit(figures["failures"] > 0)


if __name__ == "__main__":
    main()

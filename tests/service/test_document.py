"""Every call of the OpenAPI document says by itself what its kind of call can answer.

That nothing else is ever answered is seen to by the client of all other tests, which fails on an
answer that the document does not know (`tests.service.played.DocumentedAnswers`).
"""

from typing import Any

import pytest

from service.kit.problems import PROBLEM_JSON
from service.released import current

EVERYWHERE = {
    401: {"api_key_missing", "api_key_invalid", "api_key_expired"},
    403: {"scope_missing"},
    429: {"rate_limited"},
    500: {"internal_error"},
    503: {"database_unavailable"},
}
IDEMPOTENT = {
    400: {"idempotency_key_invalid"},
    409: {"idempotency_key_in_progress"},
    422: {"idempotency_key_reused"},
}
JSON_BODY = {
    400: {"json_invalid", "body_unreadable"},
    413: {"body_too_large"},
    415: {"content_type_unsupported"},
    422: {"field_missing", "field_unknown", "field_invalid"},
}
FORM = {400: {"form_malformed"}, 413: {"upload_too_large"}, 422: {"file_missing", "field_unknown"}}


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in current()["paths"].items()
        for method, operation in methods.items()
        if "security" in operation
    ]


def expected(name: str, operation: dict[str, Any]) -> list[dict[int, set[str]]]:
    """The codes that follow from what the call takes, by status."""
    bodies = operation.get("requestBody", {}).get("content", {})
    found = [EVERYWHERE]
    if name.startswith("POST"):
        found.append(IDEMPOTENT)
    if "application/json" in bodies:
        found.append(JSON_BODY)
    if "multipart/form-data" in bodies:
        found.append(FORM)
    if any(_can_be_wrong(parameter) for parameter in operation.get("parameters", ())):
        found.append({422: {"field_invalid"}})
    if any(parameter["name"] == "after" for parameter in operation.get("parameters", ())):
        found.append({422: {"cursor_invalid"}})
    return found


def _can_be_wrong(parameter: dict[str, Any]) -> bool:
    schema = parameter["schema"]
    kinds = [one.get("type") for one in schema.get("anyOf", [schema])]
    return parameter["in"] == "query" and set(kinds) - {"string", "null"} != set()


def codes(operation: dict[str, Any]) -> dict[int, set[str]]:
    return {
        int(status): set(answer["content"][PROBLEM_JSON]["examples"])
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    }


@pytest.mark.parametrize(("name", "operation"), operations(), ids=lambda one: str(one)[:60])
def test_a_call_lists_every_error_that_its_kind_can_give(
    name: str, operation: dict[str, Any]
) -> None:
    listed = codes(operation)
    for kind in expected(name, operation):
        for status, wanted in kind.items():
            assert wanted <= listed.get(status, set()), f"{status}: {wanted} of {name}"
    if "{" in name:
        assert any(code.endswith("_not_found") for code in listed[404]), name
    for status, examples in listed.items():
        for code in examples:
            value = operation["responses"][str(status)]["content"][PROBLEM_JSON]["examples"][code][
                "value"
            ]
            assert (value["status"], value["code"]) == (status, code)
            assert value["detail"].endswith((".", "zip", "png"))

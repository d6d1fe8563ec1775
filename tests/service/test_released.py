"""The API does all that its released document says; what would break a script is named."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from service.kit.compatibility import breaks
from service.released import current, released, stale_lines

Document = dict[str, Any]


def test_nothing_that_was_released_is_gone() -> None:
    found = breaks(released(), current())
    assert not found, (
        "scripts that were written for docs/openapi.json would break:\n"
        + "\n".join(found)
        + "\n/v1 only grows. What is new is released with `make openapi`."
    )


def test_what_was_released_is_what_the_code_does() -> None:
    lines = stale_lines()
    assert not lines, "docs/openapi.json is stale, run `make openapi`:\n" + "\n".join(lines[:40])


WISH = {
    "type": "object",
    "properties": {
        "epsilon": {"anyOf": [{"type": "number", "maximum": 1}, {"type": "string"}]},
        "recipe": {"type": "string", "enum": ["fast", "robust"]},
        "inner": {"anyOf": [{"$ref": "#/components/schemas/Wish"}, {"type": "null"}]},
    },
    "required": ["epsilon"],
    "additionalProperties": False,
}
JOB = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string", "enum": ["queued"]},
        "seeds": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["id"],
}
SMALL: Document = {
    "paths": {
        "/v1/jobs": {
            "post": {
                "parameters": [
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}}
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Wish"}}
                    },
                },
                "responses": {
                    "202": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Job"}}
                        },
                        "headers": {"Location": {}},
                    },
                    "409": {},
                },
            }
        }
    },
    "components": {"schemas": {"Wish": WISH, "Job": JOB}},
}


def post(document: Document) -> Any:
    return document["paths"]["/v1/jobs"]["post"]


def wish(document: Document) -> Any:
    return document["components"]["schemas"]["Wish"]


def job(document: Document) -> Any:
    return document["components"]["schemas"]["Job"]


Change = Callable[[Document], object]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["paths"].clear(), "the call is gone"),
        (lambda d: post(d)["parameters"].clear(), "the query parameter limit is gone"),
        (lambda d: post(d)["parameters"][0].update(required=True), "limit is required now"),
        (
            lambda d: post(d)["parameters"][0]["schema"].update(maximum=10),
            "maximum is 10 now, and was 100",
        ),
        (
            lambda d: post(d)["requestBody"]["content"].clear(),
            "a body of application/json is not taken any more",
        ),
        (lambda d: wish(d)["properties"].pop("recipe"), "the body: the field recipe is gone"),
        (
            lambda d: wish(d)["required"].append("recipe"),
            "the body needs the field recipe now",
        ),
        (
            lambda d: wish(d)["properties"]["recipe"].update(enum=["fast"]),
            "the body.recipe may not be robust any more",
        ),
        (
            lambda d: wish(d)["properties"]["epsilon"]["anyOf"].pop(),
            "the body.epsilon may not be of type string",
        ),
        (
            lambda d: wish(d)["properties"]["epsilon"]["anyOf"][0].update(maximum=0.5),
            "the body.epsilon: maximum is 0.5 now",
        ),
        (
            lambda d: wish(d).update(oneOf=[{"required": ["epsilon"]}]),
            "the body must obey another oneOf",
        ),
        (lambda d: post(d)["responses"].pop("202"), "202 is not answered any more"),
        (
            lambda d: post(d)["responses"]["202"]["headers"].clear(),
            "202 has no header Location any more",
        ),
        (lambda d: job(d)["properties"].pop("status"), "the field status is gone"),
        (lambda d: job(d)["required"].clear(), "the field id may be missing now"),
        (
            lambda d: job(d)["properties"].update(id={"type": "integer"}),
            "the answer 202.id may be of type integer now",
        ),
        (
            lambda d: job(d)["properties"].update(
                id={"anyOf": [{"type": "string"}, {"type": "null"}]}
            ),
            "the answer 202.id may be of type null now",
        ),
        (
            lambda d: job(d)["properties"]["seeds"].update(items={"type": "string"}),
            "the answer 202.seeds[] may be of type string now",
        ),
    ],
)
def test_what_breaks_a_script_is_named(change: Change, told: str) -> None:
    changed = copy.deepcopy(SMALL)
    change(changed)
    [found] = breaks(SMALL, changed)
    assert found.startswith("POST /v1/jobs: ")
    assert told in found


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["paths"].update({"/v1/new": {"get": {"responses": {}}}}),
        lambda d: wish(d)["properties"].update(new={"type": "integer"}),
        lambda d: wish(d)["required"].clear(),
        lambda d: wish(d)["properties"]["recipe"]["enum"].append("new"),
        lambda d: wish(d)["properties"]["epsilon"]["anyOf"].append({"type": "boolean"}),
        lambda d: post(d)["parameters"][0]["schema"].pop("maximum"),
        lambda d: job(d)["properties"].update(new={"type": "string"}),
        lambda d: job(d)["properties"]["status"]["enum"].append("paused"),
        lambda d: job(d)["required"].append("status"),
        lambda d: post(d)["responses"].pop("409"),
    ],
)
def test_what_only_grows_breaks_nothing(change: Change) -> None:
    changed = copy.deepcopy(SMALL)
    change(changed)
    assert breaks(SMALL, changed) == []

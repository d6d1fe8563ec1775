"""What /docs says about answers: an example of each, and every problem a call can have.

The examples of problems are made from the very exceptions that the code raises.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel

from core.problem import Refused
from service.kit import auth, problems, rate_limit
from service.kit.problems import PROBLEM_JSON, FieldProblem, ProblemBody, Refusal

Responses = dict[int | str, dict[str, Any]]

# FastAPI files every model of an answer under application/json; `openapi` adds this schema itself.
_PROBLEM_SCHEMA = {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}
EXAMPLE_REQUEST_ID = "req_5f0c2b7d9e1a4c3b8d6f7a90"

_EVERYWHERE = (
    auth.missing(),
    auth.invalid(),
    auth.expired(),
    rate_limit.too_many(1),
    problems.INTERNAL_ERROR,
    problems.DATABASE_UNAVAILABLE,
)
FIELD_INVALID = Refusal(
    422, "field_invalid", "limit: Input should be less than or equal to 100.", "limit"
)
JSON_PROBLEMS = (
    problems.json_invalid("Expecting value", 14),
    problems.BODY_UNREADABLE,
    problems.BODY_TOO_LARGE,
    problems.NOT_JSON,
    Refusal(422, "field_missing", "dataset_id: Field required.", "dataset_id"),
    Refusal(422, "field_unknown", "epsilonn: Extra inputs are not permitted.", "epsilonn"),
    Refusal(422, "field_invalid", "seed: Input should be a valid integer.", "seed"),
)
"""What can be wrong with any JSON body."""


def success(
    status: int, description: str, example: BaseModel | None, headers: dict[str, str] | None = None
) -> Responses:
    """A good answer. `headers` are name and meaning; an answer without example has no body."""
    entry: dict[str, Any] = {"description": description}
    if example is not None:
        content = example.model_dump(mode="json")
        entry["model"] = type(example)
        entry["content"] = {"application/json": {"example": content}}
    if headers:
        entry["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}}
            for name, meaning in headers.items()
        }
    return {status: entry}


def failures(*refusals: Refused, authenticated: bool = True) -> Responses:
    """The problems a call can have, by status, each with its example."""
    by_status: dict[int, dict[str, Any]] = defaultdict(dict)
    for refused in (*refusals, *(_EVERYWHERE if authenticated else ())):
        problem = refused.problem
        errors = None
        if problem.code.startswith("field_"):
            errors = [FieldProblem(code=problem.code, param=problem.param, detail=problem.message)]
        by_status[refused.status][problem.code] = {
            "summary": problem.code,
            "value": problems.body_of(refused, EXAMPLE_REQUEST_ID, errors),
        }
    return {
        status: {
            "description": ", ".join(f"`{code}`" for code in examples),
            "content": {PROBLEM_JSON: {"schema": _PROBLEM_SCHEMA, "examples": examples}},
        }
        for status, examples in sorted(by_status.items())
    }


def with_codes(answers: Responses, status: int, codes: Iterable[str]) -> Responses:
    """The same, with further codes of a status named, of which one example stands for all."""
    known = answers[status]["content"][PROBLEM_JSON]["examples"]
    told = ", ".join(f"`{code}`" for code in sorted(set(codes) - set(known)))
    description = f"{answers[status]['description']}, {told}"
    return answers | {status: {**answers[status], "description": description}}


def refusal_of(call: Callable[[], object]) -> Refused:
    """The refusal that a call ends in.

    Raises:
        ValueError: it does not.
    """
    try:
        call()
    except Refused as refused:
        return refused
    raise ValueError("the call was not refused")

"""Reading a JSON body where a call takes a form as well, so that FastAPI reads neither."""

import json
from typing import TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from service.kit.problems import json_invalid

Model = TypeVar("Model", bound=BaseModel)


def media_type(request: Request) -> str:
    """What the body says it is, such as `application/json`; empty if it does not say."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    return media_type(request) == "application/json"


async def read_json(request: Request, model: type[Model]) -> Model:
    """The JSON body.

    Raises:
        Refusal: it is no JSON.
        RequestValidationError: it is not this object.
    """
    body = await request.body()
    try:
        asked = json.loads(body)
    except json.JSONDecodeError as error:
        raise json_invalid(error.msg, error.pos) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400) from error
    try:
        return model.model_validate(asked)
    except ValidationError as error:
        found = [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()]
        raise RequestValidationError(found, body=asked) from error

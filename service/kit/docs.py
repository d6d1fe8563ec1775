"""/docs: the OpenAPI document as a page, from files of this process.

Owners paste their API key into that page, so it loads no script from anybody else's server.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from core.problem import Refused
from service.kit import idempotency, rate_limit
from service.kit.auth import scope_missing
from service.kit.documented import failures
from service.kit.problems import PROBLEM_JSON, ProblemBody
from service.kit.scopes import required

_STATIC = Path(fastapi_offline.__file__).parent / "static"
_ASSETS = "/docs-assets"


def install(app: FastAPI, bodies: Sequence[type[BaseModel]] = ()) -> None:
    """Serve /docs and its assets, and complete the OpenAPI document.

    Args:
        app: the application.
        bodies: models that only calls which read their bodies themselves refer to.
    """
    app.openapi = lambda: _openapi(app, bodies)  # type: ignore[method-assign]
    app.mount(_ASSETS, StaticFiles(directory=_STATIC), name="docs-assets")
    page = get_swagger_ui_html(
        openapi_url=app.openapi_url or "",
        title=f"{app.title} API",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
        swagger_ui_parameters={"persistAuthorization": False, "tryItOutEnabled": True},
    )
    html = bytes(page.body).decode()
    headers = {"Content-Security-Policy": _policy(html)}

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(html, headers=headers)


def _drop_foreign_errors(document: dict[str, Any]) -> None:
    """Take out FastAPI's own form of a validation error, which this API never sends."""
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _describe_headers(document: dict[str, Any]) -> None:
    """What holds for all calls with a key, and for all that create or change something."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "security" not in operation:
                continue
            _describe_scope(operation, required(method.upper(), path))
            for answer in operation["responses"].values():
                answer.setdefault("headers", {}).update(_headers(rate_limit.HEADERS))
            if method == "post":
                _describe_idempotency(operation)


def _describe_idempotency(operation: dict[str, Any]) -> None:
    operation.setdefault("parameters", []).append(
        {
            "name": idempotency.HEADER,
            "in": "header",
            "required": False,
            "schema": idempotency.SCHEMA,
            "description": idempotency.DESCRIPTION,
            "example": "0b8e3e5c-5d0e-4f0c-9f0a-3f4f8f6a2f11",
        }
    )
    _describe_failures(operation, *idempotency.PROBLEMS)


def _describe_scope(operation: dict[str, Any], scope: str) -> None:
    """OpenAPI 3.1 has a place for what a key must be allowed to do; pages do not show it."""
    operation["security"] = [{"ApiKey": [scope]}]
    operation["description"] = f"{operation['description']}\n\nScope: `{scope}`."
    _describe_failures(operation, scope_missing(scope))


def _describe_failures(operation: dict[str, Any], *refusals: Refused) -> None:
    for status, answer in failures(*refusals, authenticated=False).items():
        here = operation["responses"].setdefault(str(status), answer)
        if here is not answer:
            here["description"] += f", {answer['description']}"
            here["content"][PROBLEM_JSON]["examples"] |= answer["content"][PROBLEM_JSON]["examples"]


def _headers(meanings: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": meaning, "schema": {"type": "string"}}
        for name, meaning in meanings.items()
    }


def _policy(html: str) -> str:
    """Scripts from here only, and of the inline ones just those of this page."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    )
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
    )


def _openapi(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
            servers=app.servers,
        )
        _drop_foreign_errors(document)
        _describe_headers(document)
        models: list[type[BaseModel]] = [ProblemBody, *bodies]
        for model in models:
            _add_schema(document["components"]["schemas"], model)
        app.openapi_schema = document
    return app.openapi_schema


def _add_schema(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    """Add a model that FastAPI has not seen; what it refers to may be there, even as `-Input`."""
    found = model.model_json_schema(ref_template="#/components/schemas/{model}")
    inner = found.pop("$defs", {})
    text = json.dumps({model.__name__: found} | inner)
    for name in inner:
        if f"{name}-Input" in schemas:
            text = text.replace(f'/schemas/{name}"', f'/schemas/{name}-Input"')
    schemas |= {
        name: schema
        for name, schema in json.loads(text).items()
        if name not in schemas and f"{name}-Input" not in schemas
    }

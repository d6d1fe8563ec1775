"""The application, as `service.main` serves it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute

from core import __version__
from core.object_store import ObjectStore
from core.settings import Settings, get_settings
from service.api_keys.endpoints import router as api_keys
from service.artifacts.endpoints import downloads
from service.artifacts.endpoints import router as artifacts
from service.audit.endpoints import router as audit
from service.datasets.endpoints import UPLOAD_PATH
from service.datasets.endpoints import router as datasets
from service.datasets.upload import Gate
from service.erasures.endpoints import requests as erasure_requests
from service.erasures.endpoints import router as erasures
from service.evaluations.endpoints import router as evaluations
from service.evaluations.pair_endpoints import router as pairs
from service.events.endpoints import router as events
from service.generators import images_form
from service.generators.endpoints import PATH as GENERATORS
from service.generators.endpoints import router as generators
from service.generators.schemas import ProtectRequest
from service.health.endpoints import router as health
from service.health.service import Readiness, checks_of
from service.jobs.changes import Changes
from service.jobs.endpoints import router as jobs
from service.kit import docs, handlers, scopes
from service.kit.access import AccessMiddleware
from service.kit.body_limit import JSON_LIMIT, BodyLimitMiddleware
from service.kit.last_used import LastUsed
from service.kit.rate_limit import RateLimiter, RateLimitMiddleware
from service.kit.request_id import RequestIdMiddleware
from service.kit.security_headers import SecurityHeadersMiddleware
from service.series.endpoints import router as series
from service.studies.endpoints import router as studies
from service.uploads.completions import Completions
from service.uploads.endpoints import router as uploads
from service.usage.endpoints import router as usage
from service.webhooks.endpoints import router as webhooks

DESCRIPTION = """
Upload a labelled image dataset, start a job, and get back the same images with a perturbation of at
most epsilon on every pixel, on which nobody can train a working model, together with the proof.

1. `POST /v1/datasets` with a zip, npz or parquet file.
2. `POST /v1/jobs` with its `dataset_id`, then `GET /v1/jobs/{job_id}` until `status` is final.
3. `GET /v1/jobs/{job_id}/evaluation` for the proof, `/artifacts` for the downloads.

Every error is `application/problem+json`: programs read `code`, people `detail`, and `param` names
the field. Ids sort by time. New fields may appear in answers; none disappears within `/v1`.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the API.

    Args:
        settings: what the endpoints use; by default what the environment says.
    """
    settings = settings or get_settings()
    app = FastAPI(
        lifespan=_lifespan,
        title="unlearnable",
        summary="Data protection as a service.",
        description=DESCRIPTION,
        version=__version__,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        # A redirect to the other spelling would make clients send their upload twice.
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.settings = settings
    app.state.store = ObjectStore.from_settings(settings)
    app.state.uploads = Gate()
    app.state.images = Gate(images_form.MAX_CONCURRENT)
    app.state.completions = Completions()
    app.state.changes = Changes()
    app.state.limiter = RateLimiter(settings)
    app.state.last_used = LastUsed()
    app.state.readiness = Readiness(checks_of(app.state.store))
    for router in (
        uploads,
        datasets,
        erasure_requests,
        erasures,
        jobs,
        events,
        series,
        evaluations,
        pairs,
        artifacts,
        downloads,
        generators,
        studies,
        api_keys,
        usage,
        audit,
        webhooks,
        health,
    ):
        scopes.check(router.routes)
        app.include_router(router)
    handlers.install(app)
    docs.install(app, [ProtectRequest])
    # The last one added is the outermost.
    app.add_middleware(
        BodyLimitMiddleware,
        limit=JSON_LIMIT,
        form_limits=(
            (re.compile(re.escape(UPLOAD_PATH)), None),
            (re.compile(rf"{GENERATORS}/[^/]+/protect"), images_form.MAX_BODY),
        ),
    )
    app.add_middleware(RateLimitMiddleware)
    app.add_middleware(AccessMiddleware)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Loads drivers and opens connections before the first owner would wait for them, and says in
    # the log what is missing.
    await app.state.readiness.check()
    yield
    await app.state.uploads.wait_until_empty()
    app.state.limiter.close()


def _operation_id(route: APIRoute) -> str:
    return route.name

"""GET /healthz and /readyz."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from service.health.schemas import READY, Alive, Ready
from service.health.service import Readiness
from service.kit.documented import failures, success
from service.kit.problems import Unavailable, answer

router = APIRouter(tags=["health"])


def not_ready(missing: list[str]) -> Unavailable:
    """Some parts do not answer."""
    return Unavailable("not_ready", f"No answer from: {', '.join(missing)}.")


@router.get(
    "/healthz",
    summary="Whether the process lives",
    response_model=Alive,
    responses=success(200, "It does.", Alive()),
)
async def get_health() -> Alive:
    """Asks nothing but this process; for liveness probes."""
    return Alive()


@router.get(
    "/readyz",
    summary="Whether the API can work",
    response_model=Ready,
    responses={
        **success(200, "Every part answers.", READY),
        **failures(not_ready(["broker"]), authenticated=False),
    },
)
async def get_readiness(request: Request) -> Ready | JSONResponse:
    """Asks the database, the broker and the store, each for at most 2 seconds."""
    readiness: Readiness = request.app.state.readiness
    checks = await readiness.check()
    missing = [name for name, answered in checks.items() if not answered]
    if missing:
        return answer(request, not_ready(missing), checks=checks)
    return Ready(checks=checks)

"""What one process of the API holds: its settings and its connection to the store."""

from typing import Annotated, cast

from fastapi import Depends, Request

from core.object_store import ObjectStore
from core.settings import Settings


async def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


async def _store(request: Request) -> ObjectStore:
    return cast(ObjectStore, request.app.state.store)


SettingsDep = Annotated[Settings, Depends(_settings)]
StoreDep = Annotated[ObjectStore, Depends(_store)]

"""One documented class for every setting, read from environment variables `UNLEARNABLE_*`."""

import functools
import tempfile
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
LOOPBACK = {"127.0.0.1", "localhost", "::1", None}  # none: a socket of this machine
# Passwords that appear in examples everywhere; a server outside loopback must not run with one.
DEFAULT_SECRETS = {"", "changeme", "changethis", "secret", "password", "postgres", "unlearnable"}


class Settings(BaseSettings):
    """Settings shared by the API, the workers and the sweeper.

    Raises:
        pydantic.ValidationError: a value is missing, malformed, or unsafe outside loopback.
    """

    model_config = SettingsConfigDict(
        env_prefix="UNLEARNABLE_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # the input holds passwords, and errors go to logs
    )

    database_url: str = Field(description="postgresql+psycopg://user:password@host:port/database")
    broker_url: SecretStr = Field(description="redis://:password@host:port/0 (or amqp://)")
    secret_key: SecretStr = Field(
        description="Key of the HMAC under which API keys are stored. Changing it voids all keys."
    )

    s3_endpoint_url: str | None = Field(
        default=None, description="Where this process reaches the store; none for AWS."
    )
    s3_public_endpoint_url: str | None = Field(
        default=None,
        description="Where data owners reach the store; it is part of what a presigned link signs.",
    )
    s3_region: str = "us-east-1"
    s3_access_key_id: str | None = None
    s3_secret_access_key: SecretStr | None = None
    s3_bucket: str = "unlearnable"

    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Where data owners reach the API."
    )
    scratch_dir: Path = Field(
        default=Path(tempfile.gettempdir()) / "unlearnable",
        description="Working files of running steps; emptied step by step.",
    )

    max_upload_bytes: int = Field(default=4096 * MIB, gt=0)
    max_dataset_bytes: int = Field(
        default=8192 * MIB, gt=0, description="Decoded pixels of one dataset, in bytes."
    )
    upload_wait_seconds: float = Field(
        default=25.0,
        ge=0,
        description="How long an upload waits for its validation before answering 202.",
    )
    presign_seconds: int = Field(default=900, gt=0, le=7 * 24 * 3600)

    lease_seconds: float = Field(
        default=30.0, gt=0, description="A step whose lease ran out is given to another worker."
    )
    heartbeat_seconds: float = Field(default=5.0, gt=0)
    sweep_seconds: float = Field(default=5.0, gt=0)
    checkpoint_seconds: float = Field(default=30.0, gt=0)
    max_lost: int = Field(default=3, ge=1, description="Lost workers a step survives.")

    default_budget_seconds: int = Field(
        default=150, gt=0, description="Generator training time of a job that names none."
    )
    max_budget_seconds: int = Field(default=24 * 3600, gt=0)

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError("heartbeat_seconds must be at most half of lease_seconds")
        for name, url in (
            ("database_url", self.database_url),
            ("broker_url", self.broker_url.get_secret_value()),
        ):
            parts = urlsplit(url)
            if parts.hostname not in LOOPBACK and (parts.password or "") in DEFAULT_SECRETS:
                raise ValueError(f"{name} has no password or a well-known one, on a public host")
        if len(self.secret_key.get_secret_value()) < 32:
            raise ValueError("secret_key must have at least 32 characters")
        return self


@functools.cache
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()

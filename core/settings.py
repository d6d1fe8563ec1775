"""One documented class for every setting, read from environment variables `UNLEARNABLE_*`.

A secret may come from a file instead: `UNLEARNABLE_SECRET_KEY_FILE=/run/secrets/secret-key`.
"""

import functools
import tempfile
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from core.settings_files import SecretFileSource
from core.webhook_targets import parse_networks

MIB = 1024 * 1024
PREFIX = "UNLEARNABLE_"
LOOPBACK = {"127.0.0.1", "localhost", "::1", None}  # none: a socket of this machine
# Passwords that appear in examples everywhere; a server outside loopback must not run with one.
DEFAULT_SECRETS = {
    *("", "admin", "changeme", "changethis", "guest", "minioadmin", "password", "postgres"),
    *("redis", "root", "secret", "unlearnable", "valkey"),
}
SHORTEST_PASSWORD = 8  # outside loopback
SHORTEST_KEY, FEWEST_CHARACTERS = 32, 8


def _secret(description: str, **options: Any) -> Any:
    """A field that is never shown and may be read from a file."""
    return Field(description=description, repr=False, json_schema_extra={"secret": True}, **options)


class Settings(BaseSettings):
    """Settings shared by the API, the workers and the sweeper.

    Raises:
        pydantic.ValidationError: a value is missing, malformed, or unsafe outside loopback.
        pydantic_settings.SettingsError: a secret's file cannot be read, or it is given twice.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,  # `${X:-}` in a compose file means: not set
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # the input holds passwords, and errors go to logs
    )

    database_url: str = _secret("postgresql+psycopg://user:password@host:port/database")
    broker_url: SecretStr = _secret("redis://:password@host:port/0 (or amqp://)")
    secret_key: SecretStr = _secret(
        "Key of the HMAC under which API keys are stored. Changing it voids all keys."
    )

    s3_endpoint_url: str | None = Field(
        default=None, description="Where this process reaches the store; none for AWS."
    )
    s3_public_endpoint_url: str | None = Field(
        default=None,
        description="Where data owners reach the store; it is part of what a presigned link signs.",
    )
    s3_region: str = Field(default="us-east-1", description="Region of the store.")
    s3_access_key_id: str | None = _secret(
        "Who we are at the store; none for boto3's own search, such as a role of the machine.",
        default=None,
    )
    s3_secret_access_key: SecretStr | None = _secret("The secret of that key.", default=None)
    s3_bucket: str = Field(default="unlearnable", description="The bucket; created if missing.")

    allow_plain_http: bool = Field(
        default=False,
        description="Accept a public address of the store that is neither https nor loopback: "
        "images then cross the network in clear. For networks that encrypt by themselves.",
    )
    scratch_dir: Path = Field(
        default=Path(tempfile.gettempdir()) / "unlearnable",
        description="Working files of running steps; emptied step by step.",
    )

    max_upload_bytes: int = Field(
        default=4096 * MIB, gt=0, description="Largest upload, in bytes as sent."
    )
    max_dataset_bytes: int = Field(
        default=8192 * MIB, gt=0, description="Decoded pixels of one dataset, in bytes."
    )
    upload_wait_seconds: float = Field(
        default=25.0,
        ge=0,
        description="How long an upload waits for its validation before answering 202.",
    )
    upload_seconds: int = Field(
        default=24 * 3600,
        gt=0,
        description="How long a resumable upload may take until it is a dataset.",
    )
    presign_seconds: int = Field(
        default=900, gt=0, le=7 * 24 * 3600, description="How long a download link works."
    )

    lease_seconds: float = Field(
        default=30.0, gt=0, description="A step whose lease ran out is given to another worker."
    )
    heartbeat_seconds: float = Field(
        default=5.0,
        gt=0,
        description="How often a worker renews its lease; at most half of the lease.",
    )
    sweep_seconds: float = Field(
        default=5.0, gt=0, description="How often the sweeper looks for what crashes left behind."
    )
    checkpoint_seconds: float = Field(
        default=30.0, gt=0, description="Shortest time between two checkpoints of a training."
    )
    shard_bytes: int = Field(
        default=64 * MIB,
        gt=0,
        description="Pixels that one step perturbs, in bytes; more are shared between workers.",
    )
    max_lost: int = Field(
        default=3, ge=1, description="Lost workers a step survives without getting any further."
    )
    outage_seconds: float = Field(
        default=600.0,
        ge=0,
        description="How long a step waits for a database or store that is away, or for room on "
        "its disk, before that counts as a lost worker.",
    )

    leftover_seconds: float = Field(
        default=3600.0,
        gt=0,
        description="How often the sweeper walks the store, and from what age on it deletes an "
        "upload there that no dataset knows.",
    )
    unfinished_upload_seconds: float = Field(
        default=24 * 3600.0,
        gt=0,
        description="An upload whose parts were not put together by then is given up.",
    )
    keep_datasets_days: float | None = Field(
        default=None,
        gt=0,
        description="Datasets that no job has used for so long are deleted; none: never.",
    )
    keep_results_days: float | None = Field(
        default=None,
        gt=0,
        description="Files that jobs made are deleted so long after the job's end; none: never.",
    )
    keep_images_seconds: float = Field(
        default=3600.0,
        gt=0,
        description="Single images that were protected, and that nobody waited for, are deleted so "
        "long after.",
    )

    webhook_private_networks: str | None = Field(
        default=None,
        description="Networks that are not public and may have receivers of webhooks all the same, "
        "such as `10.20.0.0/16,127.0.0.0/8`; there, http is accepted too. Whoever has a key can "
        "send requests to every address in them.",
    )
    webhook_timeout_seconds: float = Field(
        default=15.0, gt=0, le=30, description="How long the receiver of a webhook may take."
    )
    webhook_failing_days: float = Field(
        default=5.0,
        gt=0,
        description="A webhook of which no attempt succeeded for so long is disabled.",
    )
    keep_deliveries_days: float = Field(
        default=30.0,
        gt=0,
        description="How long the log of webhooks that were sent, or given up, is kept.",
    )

    rate_limit_per_second: float = Field(
        default=100.0, ge=0, description="Requests a second that one key may make; 0: no limit."
    )
    rate_limit_burst: int = Field(
        default=400, ge=1, description="Requests that a key which was quiet may make at once."
    )
    idempotency_seconds: int = Field(
        default=24 * 3600, gt=0, description="How long answers are kept for repeated requests."
    )

    quota_bytes: int | None = Field(
        default=None,
        ge=0,
        description="Bytes that are kept for one tenant: originals, uploads under way and what "
        "jobs made; none: no limit. `python -m core set-quota` sets it for one tenant.",
    )
    quota_datasets: int | None = Field(
        default=None, ge=0, description="Datasets that one tenant may have; none: no limit."
    )
    quota_images: int | None = Field(
        default=None, ge=0, description="Images in all datasets of one tenant; none: no limit."
    )
    quota_concurrent_jobs: int | None = Field(
        default=None,
        ge=0,
        description="Jobs and evaluations of one tenant that have not ended; none: no limit.",
    )
    quota_compute_seconds: int | None = Field(
        default=None,
        ge=0,
        description="Seconds that workers compute for one tenant in a calendar month, after which "
        "no new job is taken; none: no limit.",
    )

    default_budget_seconds: int = Field(
        default=150, gt=0, description="Generator training time of a job that names none."
    )
    max_budget_seconds: int = Field(
        default=24 * 3600, gt=0, description="The longest training that a job may ask for."
    )
    max_training_steps: int = Field(
        default=1_000_000, gt=0, description="The most that a job may ask for instead of seconds."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Of our own logs; libraries log warnings only."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="`json`: one object a line; `auto`: text on a terminal only."
    )

    metrics_host: str = Field(
        default="127.0.0.1",
        description="Where metrics are served. In a container `0.0.0.0`: do not publish the port.",
    )
    api_metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="Metrics of the API; none for no metrics."
    )
    sweeper_metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="Metrics of the sweeper and of the database."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  named by pydantic
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFileSource(settings_cls)

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError("heartbeat_seconds must be at most half of lease_seconds")
        try:
            parse_networks(self.webhook_private_networks)
        except ValueError as error:
            raise ValueError(f"webhook_private_networks: {error}") from error
        _refuse_weak_password("database_url", self.database_url)
        _refuse_weak_password("broker_url", self.broker_url.get_secret_value())
        _refuse_weak_key(self.secret_key.get_secret_value())
        secret = self.s3_secret_access_key
        if secret is not None and self.s3_endpoint_url is not None:
            host = urlsplit(self.s3_endpoint_url).hostname
            known = {*DEFAULT_SECRETS, self.s3_access_key_id}
            if host not in LOOPBACK and secret.get_secret_value() in known:
                raise ValueError("s3_secret_access_key is a well-known one, outside loopback")
        if not self.allow_plain_http:
            _refuse_plain_http(self.s3_public_endpoint_url)
        return self


def _refuse_weak_password(name: str, url: str) -> None:
    parts = urlsplit(url)
    password = parts.password or ""
    if parts.hostname in LOOPBACK:
        return
    if password in DEFAULT_SECRETS:
        raise ValueError(f"{name} has no password or a well-known one, outside loopback")
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"{name}: the password needs {SHORTEST_PASSWORD} characters or more")


def _refuse_weak_key(key: str) -> None:
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"secret_key must have at least {SHORTEST_KEY} characters")
    if len(set(key)) < FEWEST_CHARACTERS:
        raise ValueError("secret_key must be random: openssl rand -hex 32 makes a good one")


def _refuse_plain_http(url: str | None) -> None:
    parts = urlsplit(url or "")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError(
            "s3_public_endpoint_url is http outside loopback: images would cross the network in "
            "clear. Put TLS in front and say https, or set allow_plain_http"
        )


@functools.cache
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()

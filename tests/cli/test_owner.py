"""Commands of owners against the real API: what they print, and how they end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from cli.main import app
from cli.owner import exit_codes
from cli.owner.output import Output
from cli.owner.wishes import evaluation_of, parse_map, parse_metadata
from core import lifecycle
from core.problem import Problem
from service.evaluations.schemas import EXAMPLE
from tests.service.played import PlayedWorker
from tests.service.test_jobs import change
from tests.service.test_results import succeed
from tests.unlearnable.conftest import Api, api, key, later, worker
from unlearnable import Job, Unlearnable

__all__ = ["api", "key", "worker"]  # fixtures

UNDECIDED = {"verdict": {"protects": None, "summary": "Too few images to tell."}}


@pytest.fixture
def run(
    api: Api, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    monkeypatch.setenv("UNLEARNABLE_URL", api.url)
    monkeypatch.setenv("UNLEARNABLE_API_KEY", key)
    monkeypatch.chdir(tmp_path)
    Path("digits.npz").write_bytes(os.urandom(1000))
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def started(run: Callable[..., Result], worker: PlayedWorker) -> dict[str, Any]:
    """A job begun by the command."""
    result = run("protect", "digits.npz", "--no-wait", "--json", "--metadata", "release=1")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    job = json.loads(result.stdout)["job"]
    assert (job["max_change"], job["metadata"]) == (8, {"release": "1"})
    return dict(job)


def test_the_same_files_are_not_sent_twice(
    run: Callable[..., Result], started: dict[str, Any]
) -> None:
    again = json.loads(run("protect", "digits.npz", "--no-wait", "--json").stdout)["job"]
    assert again["dataset_id"] == started["dataset_id"]
    assert again["id"] != started["id"]
    listed = json.loads(run("jobs", "list", "--json").stdout)["data"]
    assert [job["id"] for job in listed] == [again["id"], started["id"]]
    (dataset,) = json.loads(run("datasets", "list", "--json").stdout)["data"]
    assert dataset["id"] == started["dataset_id"]
    for printed in (run("jobs", "list").stdout, run("jobs", "show", started["id"]).stdout):
        assert started["id"] in printed
    assert "cat 3" in run("datasets", "show", dataset["id"]).stdout


def test_every_end_has_its_code(
    run: Callable[..., Result], started: dict[str, Any], worker: PlayedWorker
) -> None:
    job_id, dataset_id = started["id"], started["dataset_id"]
    assert run("wait", job_id, "--timeout", "0.2").exit_code == exit_codes.NOT_DONE_YET
    later(0.3, lambda: succeed(job_id, EXAMPLE.model_dump() | UNDECIDED))
    done = run("wait", job_id)
    assert (done.exit_code, done.stdout) == (0, "Too few images to tell.\n")
    done = run("wait", job_id, "--require-protection")
    assert done.exit_code == exit_codes.NOT_DEMONSTRATED

    def another() -> str:
        begun = run("protect", dataset_id, "--no-wait", "--json")
        return str(json.loads(begun.stdout)["job"]["id"])

    cancelled = another()
    assert run("jobs", "pause", cancelled).exit_code == 0
    assert "paused" in run("status", cancelled).stdout
    assert "queued" in run("jobs", "resume", cancelled).stdout
    assert run("jobs", "cancel", cancelled).exit_code == 0
    assert run("wait", cancelled).exit_code == exit_codes.CANCELLED
    failed = another()
    change(failed, lifecycle.RUNNING)
    change(failed, lifecycle.FAILED)
    assert run("wait", failed, "--json").exit_code == exit_codes.FAILED

    worker.verdict = Problem("image_truncated", "The PNG is cut short.", "cat/1.png")
    Path("bad.npz").write_bytes(os.urandom(100))
    refused = run("protect", "bad.npz")
    assert (refused.exit_code, "cut short" in refused.stderr) == (exit_codes.BAD_INPUT, True)


def test_bad_input(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = run("status", "job_x", "--json")
    assert unknown.exit_code == exit_codes.BAD_INPUT
    told = json.loads(unknown.stderr)["error"]
    assert (told["code"], told["type"]) == ("job_not_found", "NotFound")
    assert run("protect", "nothing.zip").exit_code == exit_codes.BAD_INPUT
    assert run("protect", "digits.npz", "--out", "digits.npz").exit_code == exit_codes.BAD_INPUT
    assert run("evaluate", "digits.npz").exit_code == exit_codes.BAD_INPUT
    assert run("apply", "job_x", "digits.npz").exit_code == exit_codes.BAD_INPUT
    monkeypatch.delenv("UNLEARNABLE_API_KEY")
    assert run("status", "job_x").exit_code == exit_codes.BAD_INPUT


def test_keys(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("keys", "create", "nightly", "--scope", "jobs:read", "--days", "30")
    (key_id,) = (word.strip(";") for word in made.stderr.split() if word.startswith("key_"))
    assert key_id in run("keys", "list").stdout
    rotated = json.loads(run("keys", "rotate", key_id, "--json").stdout)
    with monkeypatch.context() as patch:
        patch.setenv("UNLEARNABLE_API_KEY", made.stdout.strip())
        assert run("jobs", "list").exit_code == exit_codes.BAD_INPUT  # the old secret
        patch.setenv("UNLEARNABLE_API_KEY", rotated["secret"])
        assert run("jobs", "list").exit_code == 0
        assert run("datasets", "list").exit_code == exit_codes.BAD_INPUT  # not its scope
    assert run("keys", "revoke", key_id).exit_code == 0


def test_webhooks(run: Callable[..., Result]) -> None:
    made = run("webhooks", "create", "https://example.com/hook", "--event", "job.failed")
    assert made.stdout.startswith("whsec_")
    (listed,) = json.loads(run("webhooks", "list", "--json").stdout)["data"]
    assert listed["events"] == ["job.failed"]
    assert "disabled" in run("webhooks", "disable", listed["id"]).stdout
    assert "owner" in run("webhooks", "list").stdout
    assert run("webhooks", "enable", listed["id"]).exit_code == 0
    sent = run("webhooks", "test", listed["id"]).stdout.strip()
    assert sent in run("webhooks", "deliveries", listed["id"]).stdout
    assert run("webhooks", "delete", listed["id"]).exit_code == 0


def test_nobody_there(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearnable.calls.FIRST_SECONDS", 0.0)
    gone = run("status", "job_x", "--url", "http://127.0.0.1:9")
    assert gone.exit_code == exit_codes.UNREACHABLE
    assert "does not answer" in gone.stderr


def test_ctrl_c_leaves_the_job_running(
    run: Callable[..., Result], started: dict[str, Any], api: Api, key: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "protect", started["dataset_id"], "--out", "my out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        # A test run in the background ignores Ctrl-C, and its children would.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        while "queued" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, said = process.communicate()
    assert (process.returncode, out) == (exit_codes.INTERRUPTED, "")
    with Unlearnable(key, api.url) as client:
        newest = next(client.jobs.list(page_size=1))
    assert newest.status == "queued"
    assert f"unlearnable wait {newest.id} --out 'my out'" in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = CliRunner().invoke(
        app, [], prog_name="unlearnable", env={"_UNLEARNABLE_COMPLETE": f"source_{shell}"}
    )
    assert "unlearnable" in script.stdout
    asked = {
        "_UNLEARNABLE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "unlearnable pro",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "unlearnable pro",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    offered = CliRunner().invoke(app, [], prog_name="unlearnable", env=asked)
    assert "protect" in offered.stdout


def test_what_is_written_on_the_command_line() -> None:
    assert parse_map(None) is None
    assert parse_map("shift") == "shift"
    assert parse_map("0:1, 1:0") == {"0": "1", "1": "0"}
    for wrong in ("0", "0:1,0:2", ""):
        with pytest.raises(typer.BadParameter):
            parse_map(wrong)
    assert evaluation_of(None, None) == {}
    assert evaluation_of(["resnet-18"], ["none"]) == {
        "victims": ["resnet-18"],
        "countermeasures": [],
    }
    assert evaluation_of([], ["jpeg-10"]) == {"countermeasures": ["jpeg-10"]}
    assert parse_metadata(["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    with pytest.raises(typer.BadParameter):
        parse_metadata(["a"])


@pytest.mark.parametrize("terminal", [True, False])
def test_a_job_is_shown_to_its_end(terminal: bool) -> None:
    now = datetime.now(UTC)
    common: dict[str, Any] = {
        "id": "job_1",
        "dataset_id": "ds_1",
        "epsilon": 0.3,
        "max_change": 76,
        "created_at": now,
    }
    states = [
        Job(status="queued", queue_position=2, **common),
        Job(
            status="running",
            phase="training",
            progress=0.4,
            estimated_finish_at=now + timedelta(seconds=40),
            metrics={"victim_loss": 0.5, "held_out_accuracy": 37.5, "seconds_training": 3},
            **common,
        ),
        Job(status="succeeded", progress=1.0, **common),
    ]
    console = Console(force_terminal=terminal, record=True, width=140)
    output = Output(as_json=False, console=console)
    with output.work() as show:
        for state in states:
            show(state)
    with output.bytes_of("uploading") as tell:
        tell(1024 * 1024, 2 * 1024 * 1024)
        tell(2 * 1024 * 1024, 2 * 1024 * 1024)
    shown = console.export_text()
    assert "succeeded" in shown
    assert "100%" in shown
    if not terminal:
        assert "position 2 in the queue" in shown
        assert "held out accuracy 37.5 %" in shown
        assert " s left, done at " in shown
        assert "2.1 MB of 2.1 MB" in shown

"""`unlearnable up` as a person meets it: a whole stack, started and ended in every way."""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cli.stack.info import StackInfo
from cli.up import SAMPLE, first_request
from tests.cli.conftest import COMMAND, Up, alive, await_end, living_on
from unlearnable import NotAuthenticated, Unlearnable

PARTS = {
    "postgres",
    "valkey",
    "seaweedfs",
    "api",
    "worker-ingest",
    "worker-compute",
    "sweeper",
    "webhooks",
    "guardian",
}


def listening_addresses(info: StackInfo) -> set[str]:
    addresses = set()
    for pid in info.processes.values():
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            addresses |= {
                connection.laddr.ip
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
    return addresses


def open_to_others(folder: Path) -> list[Path]:
    """Files below a folder that anybody but their owner may read or write, and could reach."""
    found = []
    for top, folders, files in os.walk(folder):
        for name in list(folders):
            if stat.S_IMODE((Path(top) / name).stat().st_mode) & 0o077 == 0:
                folders.remove(name)
        for name in files:
            if stat.S_IMODE((Path(top) / name).stat().st_mode) & 0o077:
                found.append(Path(top) / name)
    return found


def test_a_run_from_ready_to_sigterm(up: Callable[..., Up], data: Path) -> None:
    running = up()
    info = running.ready()
    assert set(alive(info)) == PARTS
    assert info.data == data
    assert listening_addresses(info) == {"127.0.0.1"}
    assert open_to_others(data) == []

    second = subprocess.run(
        [COMMAND, "up", f"--data={data}"], capture_output=True, text=True, check=False
    )
    assert second.returncode == 3
    assert "Already running" in second.stderr
    assert info.api_url in second.stderr

    with (
        Unlearnable("ul_not-a-key", info.api_url) as stranger,
        pytest.raises(NotAuthenticated, match="request"),
    ):
        stranger.datasets.upload(SAMPLE)

    code, printed, said = running.end(signal.SIGTERM)
    assert (code, said) == (0, "")
    assert alive(info) == {}
    assert living_on(data) == []
    assert info.docs_url in printed
    assert info.api_key in printed


def test_data_survive_kill_9_and_a_dead_child_is_named(up: Callable[..., Up], data: Path) -> None:
    killed = up("--json")
    before = killed.ready()
    pasted = subprocess.run(
        ["/bin/sh", "-c", first_request(before)], capture_output=True, text=True, check=True
    )
    uploaded = json.loads(pasted.stdout)["id"]
    killed.end(signal.SIGKILL)

    # At once, while what the killed run left is still ending.
    again = up()
    info = again.ready()
    await_end(before, seconds=0.0)
    assert (info.api_key, info.api_url) == (before.api_key, before.api_url)
    with Unlearnable(info.api_key, info.api_url) as client:
        assert client.datasets.get(uploaded).id == uploaded

    os.kill(info.processes["valkey"], signal.SIGKILL)
    code, _, said = again.wait()
    assert code == 1
    assert "valkey was killed by signal 9" in said
    assert "Ready to accept connections" in said  # from its log
    assert alive(info) == {}
    assert living_on(data) == []


def test_ctrl_c_while_starting_leaves_nothing(up: Callable[..., Up], data: Path) -> None:
    running = up()
    while not (data / "stamp").exists():
        assert running.process.poll() is None
    code, _, said = running.end(signal.SIGINT)
    assert code == 1
    assert "Stopped before everything was ready" in said
    assert living_on(data) == []

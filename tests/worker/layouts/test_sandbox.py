"""The process that reads uploads: what it can do, what it cannot, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.worker.layouts.bad_files import BAD_FILES
from tests.worker.layouts.good_files import arrays, folder, image, zipped
from worker.layouts import (
    CANONICAL_FILES,
    CONTACT_SHEET,
    BadDataset,
    Limits,
    ReadCancelled,
    ReaderCrashed,
    load_canonical,
    read_archive,
    read_in_sandbox,
)
from worker.layouts.contact_sheet import COLUMNS

SIDE = 2048
"""Of images that take a while to decode and pack into little."""


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return tmp_path / "upload"


@pytest.fixture
def slow_upload(upload: Path) -> Path:
    """About ten seconds of decoding in 400 kB."""
    blank = image(np.zeros((SIDE, SIDE, 3), np.uint8), "WEBP", lossless=True, method=0)
    upload.write_bytes(zipped({f"{c}/{i:04}.png": blank for c in "ab" for i in range(200)}))
    return upload


def never() -> bool:
    return False


def quiet(_done: int, _all: int) -> None:
    return None


@pytest.mark.parametrize("data", [zipped(folder()), arrays()])
def test_it_reads_what_read_archive_reads(upload: Path, tmp_path: Path, data: bytes) -> None:
    upload.write_bytes(data)
    calls: list[tuple[int, int]] = []
    out = tmp_path / "a" / "b"
    summary = read_in_sandbox(upload, out, Limits(), lambda *call: calls.append(call), never)
    assert summary == read_archive(upload, tmp_path / "plain", Limits(), quiet)
    assert calls[-1][0] == calls[-1][1] > 0
    assert sorted(path.name for path in out.iterdir()) == sorted(CANONICAL_FILES)
    for name in CANONICAL_FILES:
        assert (out / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


@pytest.mark.parametrize("name", ["text", "bomb", "png_of_50000", "object_images"])
def test_its_refusals_come_through(upload: Path, tmp_path: Path, name: str) -> None:
    bad = BAD_FILES[name]
    upload.write_bytes(bad.build())
    with pytest.raises(BadDataset) as caught:
        read_in_sandbox(upload, tmp_path / "out", Limits(), quiet, never)
    assert (caught.value.code, caught.value.member) == (bad.code, bad.member)
    assert not list(tmp_path.glob("out/*"))


def test_it_draws_a_contact_sheet_when_asked(upload: Path, tmp_path: Path) -> None:
    upload.write_bytes(zipped(folder()))
    out = tmp_path / "out"
    read_in_sandbox(upload, out, Limits(), quiet, never, contact_sheet=True)
    assert sorted(path.name for path in out.iterdir()) == sorted([*CANONICAL_FILES, CONTACT_SHEET])
    with Image.open(out / CONTACT_SHEET) as sheet:
        assert sheet.size == (COLUMNS * 52 + 4, 2 * 52 + 4)
        first = np.asarray(sheet.convert("L"))[4:52:6, 4:52:6]
    assert np.array_equal(first, load_canonical(out).train_images[0, :, :, 0])


@pytest.mark.parametrize(
    "limits",
    [
        Limits(sandbox_cpu_seconds=1),
        Limits(sandbox_wall_seconds=1),
    ],
    ids=["cpu", "wall"],
)
def test_a_slow_upload_is_stopped_and_names_its_member(
    slow_upload: Path, tmp_path: Path, limits: Limits
) -> None:
    begin = time.monotonic()
    with pytest.raises(BadDataset) as caught:
        read_in_sandbox(slow_upload, tmp_path / "out", limits, quiet, never)
    assert caught.value.code == "decoder_limits"
    assert caught.value.member is not None
    assert caught.value.member.startswith("a/")
    assert time.monotonic() - begin < 8
    assert not list(tmp_path.glob("out/*"))


def test_an_upload_that_needs_much_memory_is_stopped(upload: Path, tmp_path: Path) -> None:
    blank = image(np.zeros((4096, 4096, 3), np.uint8))
    upload.write_bytes(zipped({f"{c}/{i}.png": blank for c in "ab" for i in range(2)}))
    limits = Limits(sandbox_memory_bytes=200 << 20)
    with pytest.raises(BadDataset) as caught:
        read_in_sandbox(upload, tmp_path / "out", limits, quiet, never)
    assert (caught.value.code, caught.value.member) == ("decoder_limits", "a/0.png")


def test_cancelling_stops_it_and_leaves_nothing(slow_upload: Path, tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(ReadCancelled):
        read_in_sandbox(
            slow_upload, tmp_path / "out", Limits(), quiet, lambda: time.monotonic() - begin > 0.8
        )
    assert time.monotonic() - begin < 6
    assert not list(tmp_path.glob("out/*"))


def test_a_listener_that_fails_stops_it(slow_upload: Path, tmp_path: Path) -> None:
    def lost_lease(_done: int, _all: int) -> None:
        raise ConnectionError("lease lost")

    with pytest.raises(ConnectionError, match="lease lost"):
        read_in_sandbox(slow_upload, tmp_path / "out", Limits(), lost_lease, never)
    assert not list(tmp_path.glob("out/*"))


def test_a_fault_of_ours_is_no_fault_of_the_upload(tmp_path: Path) -> None:
    with pytest.raises(ReaderCrashed, match="FileNotFoundError"):
        read_in_sandbox(tmp_path / "absent", tmp_path / "out", Limits(), quiet, never)


def test_it_sees_no_secret(
    slow_upload: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment, as the kernel shows it while it reads."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    seen: list[bytes] = []

    def look(_done: int, _all: int) -> None:
        seen.extend(Path(f"/proc/{pid}/environ").read_bytes() for pid in _children(os.getpid()))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        read_in_sandbox(slow_upload, tmp_path / "out", Limits(), look, never)
    assert any(b"PYTHONUTF8" in environment for environment in seen)
    assert not any(b"s3cret" in environment for environment in seen)


def test_it_ends_with_its_parent(slow_upload: Path, tmp_path: Path) -> None:
    """A parent that is killed closes the pipe; the child must not go on without it."""
    code = (
        "import sys; from pathlib import Path; from worker.layouts import *; "
        "read_in_sandbox(Path(sys.argv[1]), Path(sys.argv[2]), Limits(), "
        "lambda *call: print(*call, flush=True), lambda: False)"
    )
    command = [sys.executable, "-c", code, str(slow_upload), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        (child,) = _children(parent.pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Tries what a decoder that was taken over would try, and prints what happened.
_BREAK_OUT = """
import json, os, socket, subprocess, sys
from worker.layouts.confine import confine
walls = confine(memory_bytes=1 << 30, cpu_seconds=60, file_bytes=1000)
def attempt(act):
    try:
        act()
    except BaseException as error:
        return type(error).__name__
    return "done"
def fill():
    with open(sys.argv[1], "wb", buffering=0) as file:
        file.write(bytes(1000)) and file.write(b"x")
print(json.dumps({
    "walls": walls,
    "socket": attempt(lambda: socket.socket()),
    "unix_socket": attempt(lambda: socket.socket(socket.AF_UNIX)),
    "exec": attempt(lambda: os.execv("/bin/true", ["true"])),
    "memory": attempt(lambda: bytearray(2 << 30)),
    "file": attempt(fill),
    "files": attempt(lambda: [os.dup(1) for _ in range(100)]),
    "fork": attempt(lambda: subprocess.run(["/bin/true"])),
}))
"""


def test_walls_stand(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _BREAK_OUT, str(tmp_path / "file")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    walls = result.pop("walls")
    assert "resource_limits" in walls
    assert result["memory"] == "MemoryError"
    assert result["file"] == "OSError"
    assert result["files"] == "OSError"
    if "seccomp" in walls:
        for act in ("socket", "unix_socket", "exec"):
            assert result[act] == "PermissionError"
        assert result["fork"] != "done"


def test_the_request_is_the_only_input(upload: Path, tmp_path: Path) -> None:
    """Run by hand: one line in, lines out; it tells first which walls stand."""
    upload.write_bytes(zipped(folder()))
    request = {"archive": str(upload), "out": str(tmp_path / "out"), "limits": asdict(Limits())}
    with subprocess.Popen(
        [sys.executable, "-m", "worker.layouts.sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
        lines = [json.loads(line) for line in child.stdout]
    assert "resource_limits" in lines[0]["walls"]
    assert lines[-1]["summary"] == load_canonical(tmp_path / "out").summary.to_json()
    assert child.returncode == 0

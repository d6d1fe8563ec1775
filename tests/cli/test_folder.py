"""The data folder, its lock and its ports."""

import socket
import stat
from pathlib import Path

import pytest

from cli.stack.errors import StackError
from cli.stack.folder import DataFolder
from cli.stack.lock import FileLock
from cli.stack.ports import PortBook, is_free


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    secret = first.secret("valkey")
    again = DataFolder(tmp_path / "data")
    assert again.secret("valkey") == secret
    assert again.secret("other") != secret
    assert again.id == first.id
    assert len(secret) >= 43
    assert stat.S_IMODE((first.secrets / "valkey").stat().st_mode) == 0o600


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StackError, match="not empty"):
        DataFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StackError, match="is a file"):
        DataFolder(tmp_path / "data")


def test_a_folder_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "folder.json").write_text('{"format": 999, "id": "x"}')
    with pytest.raises(StackError, match="another version"):
        DataFolder(tmp_path)


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as mine, FileLock(tmp_path / "lock") as theirs:
        assert mine.acquire()
        assert not theirs.wait(0.1)
        mine.close()
        assert theirs.acquire()


def test_ports_are_remembered_while_free(tmp_path: Path) -> None:
    first = PortBook(tmp_path / "ports.json")
    chosen = [first.take(name) for name in ("a", "b")]
    assert chosen[0] != chosen[1]
    first.save()
    with socket.create_server(("127.0.0.1", chosen[0])):
        again = PortBook(tmp_path / "ports.json")
        assert again.take("a") != chosen[0]
        assert again.take("b") == chosen[1]


def test_a_preferred_port_and_one_far_above(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert not is_free(taken)
        assert book.take("a", prefer=taken) != taken
        assert book.take("b", prefer=taken - 1000, and_above=1000) != taken - 1000
        with pytest.raises(StackError, match=f"Port {taken} is taken"):
            book.insist("c", taken)


def test_a_torn_note_of_ports_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"a": 21')
    assert PortBook(tmp_path / "ports.json").take("a")


def test_what_a_killed_run_left_in_scratch_goes(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    left = folder.scratch / "step_1-1" / "upload"
    left.parent.mkdir()
    left.write_bytes(b"x")
    folder.empty_scratch()
    assert list(folder.scratch.iterdir()) == []

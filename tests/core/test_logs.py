"""Log lines: one form, the ids of what is being done, and nothing of an owner's data."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from core import logs

KEY = "b7c1d0e9f2a34856b7c1d0e9f2a34856"
ENVIRONMENT = {
    "UNLEARNABLE_DATABASE_URL": "postgresql+psycopg://u:Pw-of-the-database@127.0.0.1/x",
    "UNLEARNABLE_BROKER_URL": "redis://:Pw-of-the-broker@127.0.0.1:6379/0",
    "UNLEARNABLE_SECRET_KEY": KEY,
}


def written(code: str, **environment: str) -> list[str]:
    """What a process writes that configures its logs and then runs `code`."""
    begin = (
        "import logging, threading\nfrom core import logs\nfrom core.settings import get_settings\n"
        "logs.configure('test', get_settings())\nlog = logging.getLogger('worker.tests')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", begin + code],
        env=os.environ | ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def entries(code: str, **environment: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(code, **environment)]


def test_a_line_names_what_is_bound_and_only_within_the_block() -> None:
    first, second, third = entries(
        "with logs.bound(request_id='req_1'):\n"
        "    logs.add(tenant='ten_1', job_id=None)\n"
        "    log.info('%d images', 3)\n"
        "    with logs.bound(step_id='step_1'):\n"
        "        log.warning('two')\n"
        "log.info('three', extra={'fields': {'status': 200}})\n"
    )
    assert first["message"] == "3 images"
    assert (first["level"], first["logger"], first["role"]) == ("info", "worker.tests", "test")
    assert (first["request_id"], first["tenant"]) == ("req_1", "ten_1")
    assert "job_id" not in first
    assert (second["request_id"], second["step_id"]) == ("req_1", "step_1")
    assert third["status"] == 200
    assert "request_id" not in third


def test_exceptions_are_told_without_their_text() -> None:
    [entry] = entries(
        "class Refused(Exception):\n    code = 'image_truncated'\n"
        "try:\n"
        "    try:\n        open('/nowhere/zebra.png')\n"
        "    except OSError as error:\n        raise Refused('zebra.png') from error\n"
        "except Refused:\n    log.exception('reading failed')\n"
    )
    assert [error["type"] for error in entry["error"]] == [
        "__main__.Refused",
        "builtins.FileNotFoundError",
    ]
    assert [error["code"] for error in entry["error"]] == ["image_truncated", "ENOENT"]
    assert entry["error"][0]["places"]
    assert "zebra" not in json.dumps(entry)


@pytest.mark.parametrize(
    "where", ["raise ValueError('zebra')", "threading.Thread(target=int, args=('zebra',)).start()"]
)
def test_what_nobody_catches_is_told_in_the_same_form(where: str) -> None:
    [entry] = entries(where)
    assert entry["level"] == "critical"
    assert entry["error"][0]["type"] == "builtins.ValueError"
    assert "zebra" not in json.dumps(entry)


def test_libraries_cannot_put_an_exception_into_their_message() -> None:
    [entry] = entries(
        "try:\n    raise KeyError('zebra')\n"
        "except KeyError as error:\n"
        "    logging.getLogger('celery.app.trace').error('Task %s: %r', 1, error, exc_info=True)\n"
    )
    assert entry["message"] == "Task %s: %r"
    assert "zebra" not in json.dumps(entry)


def test_secrets_are_struck_out_wherever_they_turn_up() -> None:
    [line] = written(
        "import os\nfor_all = list(os.environ.values())\n"
        "log.info('%s', for_all + ['ul_' + 'k' * 43, 'https://s/x?X-Amz-Signature=0123abcd'])\n"
    )
    assert json.loads(line)["message"].count(logs.STRUCK_OUT) >= 5
    for secret in (KEY, "Pw-of-the-database", "Pw-of-the-broker", "k" * 43, "0123abcd"):
        assert secret not in line


def test_every_library_writes_through_the_one_handler() -> None:
    found = entries(
        "import uvicorn.config, warnings\n"
        "logging.getLogger('uvicorn.error').info('started')\n"
        "logging.getLogger('botocore').info('credentials found')\n"
        "logging.getLogger('celery.worker.strategy').info('received')\n"
        "logging.getLogger('kombu').warning('lost')\n"
        "warnings.warn('old')\n",
        PYTHONWARNINGS="default",
    )
    assert [entry["logger"] for entry in found] == ["uvicorn.error", "kombu", "py.warnings"]


def test_text_for_people() -> None:
    lines = written(
        "with logs.bound(step_id='step_1'):\n"
        "    try:\n        int('zebra')\n"
        "    except ValueError:\n        log.exception('failed')\n",
        UNLEARNABLE_LOG_FORMAT="text",
    )
    assert lines[0][9:] == "error   worker.tests: failed step_id=step_1"
    assert lines[1].strip() == "builtins.ValueError"
    assert "zebra" not in "".join(lines)


def test_the_level_is_ours_alone() -> None:
    assert written("log.info('x')", UNLEARNABLE_LOG_LEVEL="WARNING") == []


def test_a_childs_lines_are_passed_on_in_our_form() -> None:
    found = entries(
        'logs.pass_on(\'{"time": "t", "message": "ours"}\\n\')\n'
        "logs.pass_on('terminate called\\n')\nlogs.pass_on('\\n')\n"
    )
    assert [(entry.get("logger"), entry["message"]) for entry in found] == [
        (None, "ours"),
        ("worker.child", "terminate called"),
    ]

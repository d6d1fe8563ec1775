"""Alarms and the operations' manual name what exists."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parents[2] / "docs"
ALERTS = (DOCS / "alerts.yml").read_text()
MANUAL = (DOCS / "operations.md").read_text()
NAME = re.compile(r"\bunlearnable_[a-z_]+\b")
# Names of samples that a histogram or a counter makes of its own.
SUFFIXES = re.compile(r"_(bucket|count|sum|total)$")

# In a process of its own: a registry holds what its process has imported.
REGISTERED = """
import service.kit.access, worker.sweeper
from core.metrics import REGISTRY
from worker.figures import DatabaseFigures
import worker.figures
for metric in REGISTRY.collect():
    print(metric.name)
figures = DatabaseFigures()
for metric in figures._counted.collect():
    print(metric.name)
"""


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS)["groups"]
    return list(group["rules"])


def metrics() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", REGISTERED], capture_output=True, text=True, check=True
    )
    source = (Path(__file__).parents[2] / "worker" / "figures.py").read_text()
    gauges = set(re.findall(r'"(unlearnable_[a-z_]+)"', source))
    return set(done.stdout.split()) | gauges | {"unlearnable_jobs", "unlearnable_datasets"}


def test_rules_name_metrics_that_exist() -> None:
    known = metrics()
    for rule in rules():
        names = NAME.findall(rule["expr"])
        assert names, rule
        for name in names:
            assert name in known or SUFFIXES.sub("", name) in known, name


def test_the_manual_knows_every_metric_and_no_other() -> None:
    known = {name for name in metrics() if name.startswith("unlearnable_")}
    told = {SUFFIXES.sub("", name) for name in NAME.findall(MANUAL)}
    assert {SUFFIXES.sub("", name) for name in known} == told


def test_every_alarm_has_its_paragraph() -> None:
    names = [rule["alert"] for rule in rules()]
    assert re.findall(r"^- \*\*(\w+)\*\*: ", MANUAL, re.MULTILINE) == names
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}

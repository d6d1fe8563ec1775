"""Chores of an operator, for machines without the `unlearnable` command.

python -m core prepare                         migrate the database, create the bucket
python -m core create-key TENANT [--name N] [--scope S ...]
                                               print a new API key, once
python -m core config [--json | --markdown]    print the settings and where each came from
"""

import argparse
import sys

from core import api_keys
from core.database import migrate, transaction
from core.object_store import ObjectStore
from core.scopes import ALL, SCOPES
from core.settings import get_settings
from core.settings_report import markdown, report


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m core", description="Chores of an operator; settings from UNLEARNABLE_*."
    )
    chores = parser.add_subparsers(dest="chore", required=True)
    chores.add_parser("prepare", help="migrate the database and create the bucket")
    create = chores.add_parser("create-key", help="print a new API key, once")
    create.add_argument("tenant", help="whose key it is; created if new")
    create.add_argument("--name", default="created by the operator", help="what it is for")
    create.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help="what it may do; may be given several times; without it, everything",
    )
    config = chores.add_parser("config", help="print the settings and where each came from")
    form = config.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--markdown", action="store_true", help="the table of docs/operations.md")
    arguments = parser.parse_args()

    if arguments.chore == "config":
        sys.exit(_config(as_json=arguments.json, as_markdown=arguments.markdown))
    settings = get_settings()
    if arguments.chore == "prepare":
        migrate(settings.database_url)
        ObjectStore.from_settings(settings).ensure_bucket()
    else:
        with transaction() as session:
            scopes = arguments.scope or [ALL]
            key = api_keys.create(session, arguments.tenant, arguments.name, scopes)
        sys.stdout.write(key + "\n")


def _config(*, as_json: bool, as_markdown: bool) -> int:
    """Print the settings; 1 if no process would start on them."""
    if as_markdown:
        sys.stdout.write(markdown() + "\n")
        return 0
    found = report()
    sys.stdout.write((found.to_json() if as_json else found.to_text()) + "\n")
    return 1 if found.problems else 0


if __name__ == "__main__":
    main()

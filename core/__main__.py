"""Chores of an operator, for machines without the `unlearnable` command.

python -m core prepare                        migrate the database, create the bucket
python -m core create-key TENANT [--name N]   print a new API key, once
"""

import argparse
import sys

from core import api_keys
from core.database import migrate, transaction
from core.object_store import ObjectStore
from core.settings import get_settings


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m core", description="Chores of an operator; settings from UNLEARNABLE_*."
    )
    chores = parser.add_subparsers(dest="chore", required=True)
    chores.add_parser("prepare", help="migrate the database and create the bucket")
    create = chores.add_parser("create-key", help="print a new API key, once")
    create.add_argument("tenant", help="whose key it is; created if new")
    create.add_argument("--name", default="created by the operator", help="what it is for")
    arguments = parser.parse_args()

    settings = get_settings()
    if arguments.chore == "prepare":
        migrate(settings.database_url)
        ObjectStore.from_settings(settings).ensure_bucket()
    else:
        with transaction() as session:
            key = api_keys.create(session, arguments.tenant, arguments.name)
        sys.stdout.write(key + "\n")


if __name__ == "__main__":
    main()

"""Chores of an operator, for machines without the `unlearnable` command.

python -m core prepare                         migrate the database, create the bucket
python -m core create-key TENANT [--name N] [--scope S ...]
                                               print a new API key, once
python -m core quotas TENANT                   print a tenant's quotas
python -m core set-quota TENANT NAME LIMIT     change one, also to `none` or `default`
python -m core config [--json | --markdown]    print the settings and where each came from
"""

import argparse
import sys

from core import api_keys, quotas
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
    quota = chores.add_parser("quotas", help="print a tenant's quotas")
    quota.add_argument("tenant", help="whose")
    limit = chores.add_parser("set-quota", help="change a quota of a tenant")
    limit.add_argument("tenant", help="whose")
    limit.add_argument("name", choices=quotas.NAMES)
    limit.add_argument("limit", type=_limit, help="a number, `none` or `default`")
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
    elif arguments.chore in {"quotas", "set-quota"}:
        _quotas(arguments)
    else:
        with transaction() as session:
            scopes = arguments.scope or [ALL]
            key = api_keys.create(session, arguments.tenant, arguments.name, scopes)
        sys.stdout.write(key + "\n")


def _limit(word: str) -> int | str:
    if word in {"none", "default"}:
        return word
    if not word.isdecimal():
        raise argparse.ArgumentTypeError("must be a number, `none` or `default`")
    return int(word)


def _quotas(arguments: argparse.Namespace) -> None:
    """Change a quota if asked to, and print them all."""
    try:
        with transaction() as session:
            if arguments.chore == "set-quota":
                limit = arguments.limit
                if limit == "default":
                    quotas.reset(session, arguments.tenant, arguments.name)
                else:
                    quotas.change(
                        session,
                        arguments.tenant,
                        arguments.name,
                        None if limit == "none" else limit,
                    )
            found = quotas.of_tenant(session, arguments.tenant)
    except LookupError as error:
        sys.exit(str(error.args[0]))
    for name, value in found.items():
        sys.stdout.write(f"{name} {'none' if value is None else value}\n")


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

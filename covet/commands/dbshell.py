"""Open the database's own shell."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress

import click

from covet.commands.migrate import database_of
from covet.conf.service_url import DatabaseConfig
from covet.exceptions import CommandError
from covet.management.decorator import command

__all__ = ["dbshell", "shell_command"]


@command(parts=[], owns_loop=True)
@click.argument("arguments", nargs=-1)
@click.option("--database", default="default", show_default=True, help="The alias of the database.")
def dbshell(*, arguments: tuple[str, ...], database: str) -> int:
    """Open psql, mariadb (or mysql) or sqlite3 on a database; ARGUMENTS after -- go to it."""
    names, options, environment = shell_command(database_of(database).config)
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        raise CommandError(f"{names[0]} is not installed, or not on the PATH.")
    before = None
    with suppress(ValueError):  # not the main thread: nobody presses Ctrl-C there
        # Ctrl-C is for the shell: it stops a statement there, not the shell.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = subprocess.run([program, *options, *arguments], env={**os.environ, **environment}, check=False)  # noqa: S603  # the database's own shell, for whoever typed this
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    return done.returncode


def shell_command(config: DatabaseConfig) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the programs that may be used, the arguments, and what the environment must say.

    The password goes through the environment: arguments can be read by everybody on the machine.
    """
    if config.backend == "sqlite":
        return ["sqlite3"], [config.name], {}
    hosts, ports = config.host, str(config.port or "")
    if servers := config.servers:
        hosts, ports = (",".join(map(str, each)) for each in zip(*servers, strict=True))
    where = [
        *(["-h", hosts] if hosts else []),
        *(["-p" if config.backend == "postgresql" else "-P", ports] if ports else []),
    ]
    if config.backend == "postgresql":
        user = ["-U", config.user] if config.user else []
        wanted = str(config.options.get("target_session_attrs", ""))
        told = {"PGPASSWORD": config.password, "PGTARGETSESSIONATTRS": wanted}
        return ["psql"], [*where, *user, config.name], {name: value for name, value in told.items() if value}
    if config.backend == "mysql":
        user = ["-u", config.user] if config.user else []
        environment = {"MYSQL_PWD": config.password} if config.password else {}
        return ["mariadb", "mysql"], [*where, *user, config.name], environment
    raise CommandError(f"There is no shell for the backend {config.backend}.")

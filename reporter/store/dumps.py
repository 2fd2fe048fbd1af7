"""Whole copies of a PostgreSQL database, with its own `pg_dump` and `pg_restore` where they are on the PATH.

A dump is one consistent snapshot in the custom format, made while services run. Where the programs are missing,
the refusal says what to run where they are. Passwords travel in the environment, never on a command line.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from reporter.store.copies import Copy, CopyRefused, finish, known, proven, sidecar

TABLES = ("incidents", "ledger", "alembic_version")
_RESTORE = ("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
_LAST_WORDS = 3


def back_up(url: str, target: Path) -> Copy:
    """Dumps the database into the new file `target`, its SHA-256 beside it. Errors: CopyRefused."""
    if target.exists():
        raise CopyRefused(f"{target} 已存在，换一个文件名", f"{target} exists already: choose another name")
    part = target.with_name(target.name + ".part")
    dump = ("pg_dump", "--format=custom", "--no-owner", "--no-privileges")
    by_hand = shlex.join([*dump, f"--file={target}", _shown(url)])
    by_hand += f" && sha256sum {shlex.quote(str(target))} > {shlex.quote(str(sidecar(target)))}"
    try:
        _run([*dump, f"--file={part}", _shown(url)], url, by_hand)
        revision = _revision(part, url)
        digest = finish(part, target)
    except OSError as reason:
        raise CopyRefused(
            f"{target} 无法写成：{reason}", f"{target} could not be written: {reason}"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return Copy(target, target.stat().st_size, digest, revision)


def restore(source: Path, url: str, there: str | None, *, force: bool = False) -> Copy:
    """Puts a dump back, in one transaction: into an empty database, or over one of ours with `force`.

    `there` is the revision of the database that `url` names, None if it is empty. Errors: CopyRefused, before
    anything is touched for what can be seen in the file.
    """
    digest = proven(source)
    by_hand = shlex.join([*_RESTORE, f"--dbname={_shown(url)}", str(source)])
    revision = known(_revision(source, url, by_hand), source)
    if there is not None and not force:
        raise CopyRefused(
            "目标数据库不是空的；确要覆盖请加 --force（先停止服务并备份），或建一个空数据库再恢复到那里",
            "the database is not empty; add --force to replace it (stop the service and back it up first), "
            "or create an empty one and restore into that",
        )
    if there is not None and there != revision:
        raise CopyRefused(
            f"目标数据库的结构为 {there}，备份的为 {revision}，不能覆盖：建一个空数据库，恢复到那里",
            f"the database has schema {there} and the backup {revision}, so it cannot be put over it: "
            "create an empty database and restore into that",
        )
    over = () if there is None else ("--clean", "--if-exists")
    _run([*_RESTORE, *over, f"--dbname={_shown(url)}", str(source)], url, by_hand)
    return Copy(source, source.stat().st_size, digest, revision)


def attachments(dump: Path, url: str) -> list[str]:
    """The SHA-256 of every attachment that a dump names, each once, in order. Errors: CopyRefused."""
    command = ["pg_restore", "--data-only", "--table=attachments", "--file=-", str(dump)]
    told = _run(command, url, shlex.join(command))
    found = re.search(
        r"^COPY [^\n]*attachments \(([^)]*)\)[^\n]*\n(.*?)^\\\.$", told, re.MULTILINE | re.DOTALL
    )
    if found is None:
        return []
    column = [name.strip() for name in found[1].split(",")].index("sha256")
    return sorted({line.split("\t")[column] for line in found[2].splitlines()})


def _revision(dump: Path, url: str, by_hand: str = "") -> str:
    """The schema's revision as it stands in a dump. Errors: CopyRefused for what is no dump of this product."""
    listed = _run(["pg_restore", "--list", str(dump)], url, by_hand)
    names = set(re.findall(r" TABLE \S+ (\S+) ", listed))
    if not set(TABLES) <= names:
        raise CopyRefused(f"{dump} 不是本系统的备份", f"{dump} is not a backup of this product")
    versions = ["pg_restore", "--data-only", "--table=alembic_version", "--file=-", str(dump)]
    found = re.search(
        r"^COPY [^\n]*alembic_version[^\n]*\n(\w+)$", _run(versions, url, by_hand), re.MULTILINE
    )
    return found[1] if found else ""


def _run(command: list[str], url: str, by_hand: str) -> str:
    """What the program prints. Errors: CopyRefused with its last words, or with what to run elsewhere."""
    if shutil.which(command[0]) is None:
        raise CopyRefused(
            f"这里找不到 {command[0]}：安装 PostgreSQL 客户端（版本不低于服务器），或在有它的机器上运行：{by_hand}",
            f"there is no {command[0]} here: install PostgreSQL's client programs (not older than the server), "
            f"or run where they are: {by_hand}",
        )
    password = make_url(url).password
    environment = dict(os.environ) | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = " | ".join(done.stderr.strip().splitlines()[-_LAST_WORDS:])
        raise CopyRefused(f"{command[0]} 未成功：{words}", f"{command[0]} failed: {words}")
    return done.stdout


def _shown(url: str) -> str:
    """The URL as PostgreSQL's programs take it, without its password."""
    parsed = make_url(url)
    return URL.create(
        "postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query
    ).render_as_string()

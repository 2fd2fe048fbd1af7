"""`reporter nats config`: a configuration for a broker of one's own, in which each may speak for itself only."""

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli.stored import opened
from reporter.cli.trouble import Trouble, WrongUsage
from reporter.cli.verb import STORE, Call, verb

if TYPE_CHECKING:
    from reporter.cli.broker_users import Tls

LOOPBACK = re.compile(r"(127\.[0-9.]+|localhost|\[::1\]):\d+")
ADDRESS = re.compile(r"[^\s:]*:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}")
NAME = re.compile(r"[a-z0-9-]{1,64}")
CHECK_S = 20


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(help="消息服务器。The broker.", no_args_is_help=True)
    app.add_typer(group, name="nats")

    @verb(group, "config", *STORE)
    async def nats_config(
        call: Call,
        folder: Annotated[
            Path, typer.Argument(metavar="FOLDER", help="写到哪里。Where nats-server.conf and seeds/ go.")
        ],
        unit: Annotated[
            list[str] | None,
            typer.Option(
                "--unit", help="只为这些单位；缺省为全部在册单位。Only these; else all active ones."
            ),
        ] = None,
        reader: Annotated[
            list[str] | None,
            typer.Option("--reader", help="只读 reporter.out.> 的用户名。A user that only reads facts."),
        ] = None,
        renew: Annotated[
            list[str] | None,
            typer.Option("--renew", help="换发种子的用户。Users who get a new seed; the others keep theirs."),
        ] = None,
        listen: Annotated[
            str, typer.Option("--listen", help="监听地址。HOST:PORT the broker listens on.")
        ] = "127.0.0.1:4222",
        store: Annotated[
            Path | None, typer.Option("--store", help="消息存放处。Its store; absent: FOLDER/store.")
        ] = None,
        tls_cert: Annotated[
            Path | None, typer.Option("--tls-cert", help="服务器证书。The broker's certificate, PEM.")
        ] = None,
        tls_key: Annotated[
            Path | None, typer.Option("--tls-key", help="其私钥。The certificate's key, PEM.")
        ] = None,
        tls_client_ca: Annotated[
            Path | None,
            typer.Option(
                "--tls-client-ca", help="要求客户端出示其证书。Clients must show a certificate of it."
            ),
        ] = None,
    ) -> None:
        """生成消息服务器配置：每单位一钥，只能以本单位名义发布。Writes users, rights and TLS for a broker."""
        from reporter.cli.broker_users import users, write

        tls = _tls(tls_cert, tls_key, tls_client_ca)
        if not ADDRESS.fullmatch(listen):
            raise WrongUsage(f"--listen {listen}：应为 HOST:PORT", f"--listen {listen}: expected HOST:PORT")
        codes, root = await _units(call, unit)
        found = users(codes, root, _names(reader))
        unknown = set(renew or ()) - {user.name for user in found}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise WrongUsage(f"--renew：没有用户 {names}", f"--renew: there is no user {names}")
        folder = folder.absolute()
        try:
            written = write(
                folder,
                found,
                listen=listen,
                store=(store or folder / "store").absolute(),
                tls=tls,
                renew=renew or (),
            )
        except OSError as reason:
            why = f"{reason.filename}: {reason.strerror}"
            raise Trouble(f"写不了 {why}", f"cannot be written: {why}") from None
        _check(written.config)
        if tls is None and not LOOPBACK.fullmatch(listen):
            call.tell(
                f"注意：{listen} 不止本机可达，而未加密：请给 --tls-cert 与 --tls-key",
                f"note: {listen} is reached from elsewhere, and not encrypted: give --tls-cert and --tls-key",
            )
        call.answer(
            {
                "config": str(written.config),
                "seeds": str(written.config.parent / "seeds"),
                "users": list(written.users),
                "new": list(written.new),
                "unused": list(written.unused),
            },
            lambda: call.say(
                f"{written.config}：{len(written.users)} 个用户，{len(written.new)} 个新种子；"
                f"已通过 nats-server -t。服务用 --nats-seed-file {folder}/seeds/_service.nk"
                + (f"；不再使用：{', '.join(written.unused)}" if written.unused else ""),
                f"{written.config}: {len(written.users)} users, {len(written.new)} new seeds; nats-server -t "
                f"finds it good. The service takes --nats-seed-file {folder}/seeds/_service.nk"
                + (f"; no longer used: {', '.join(written.unused)}" if written.unused else ""),
            ),
        )


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> "Tls | None":
    from reporter.cli.broker_users import Tls

    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise WrongUsage("--tls-cert 与 --tls-key 要一起给", "--tls-cert and --tls-key belong together")
    return Tls(cert.absolute(), key.absolute(), client_ca.absolute() if client_ca else None)


async def _units(call: Call, wanted: list[str] | None) -> tuple[list[str], str]:
    """The codes of the units to write users for, and the root's."""
    from reporter.store.people import load_tree

    async with opened(call.settings) as database, database.snapshot() as connection:
        tree = await load_tree(connection)
    if not wanted:
        nodes = {tree.node(code) for code in tree.subtree(tree.root)}
        return sorted(node.code for node in nodes if node.is_active), tree.root
    unknown = [code for code in wanted if tree.resolve(code) is None or not tree.node(code).is_active]
    if unknown:
        names = ", ".join(unknown)
        raise Trouble(f"没有在册单位 {names}", f"there is no active unit {names}")
    return sorted({tree.node(code).code for code in wanted}), tree.root


def _names(readers: list[str] | None) -> list[str]:
    names = sorted(set(readers or ()))
    for name in names:
        if not NAME.fullmatch(name):
            raise WrongUsage(f"--reader {name}：限 a-z 0-9 -", f"--reader {name}: a-z, 0-9 and - only")
    return names


def _check(config: Path) -> None:
    """Lets the server itself read what was written. Errors: Trouble with its words."""
    from reporter.embedded import EmbeddedNatsError, find_program

    try:
        program = find_program()
        checked = subprocess.run(
            [program, "-t", "-c", config], capture_output=True, text=True, check=False, timeout=CHECK_S
        )
    except (EmbeddedNatsError, OSError, subprocess.TimeoutExpired) as reason:
        raise Trouble(f"未能检查 {config}：{reason}", f"{config} could not be checked: {reason}") from None
    if checked.returncode:
        words = " ".join((checked.stderr or checked.stdout).split())
        raise Trouble(f"{config} 通不过 nats-server -t：{words}", f"nats-server -t refuses {config}: {words}")

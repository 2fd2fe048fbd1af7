"""The verbs for who there is: token create, unit import."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli.stored import opened
from reporter.cli.trouble import Trouble, WrongUsage
from reporter.cli.verb import STORE, Call, verb
from reporter.core.terms import AccountRole
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    from reporter.store.csvfile import ImportRefused

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV，UTF-8 或 GB18030；- 读标准输入。- reads stdin.")
]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    token = typer.Typer(help="令牌（接口账号）。Accounts of the API.", no_args_is_help=True)
    unit = typer.Typer(help="单位。Units.", no_args_is_help=True)
    for name, group in (("token", token), ("unit", unit)):
        app.add_typer(group, name=name)

    @verb(token, "create", *STORE)
    async def token_create(
        call: Call,
        name: Annotated[str, typer.Argument(metavar="NAME", help="名称，唯一；重建即吊销旧的。Unique name.")],
        role: Annotated[AccountRole, typer.Option("--role", help="角色。Role.")],
        unit: Annotated[
            str,
            typer.Option("--unit", help="单位代码，权限限其下级。The account acts in this unit's subtree."),
        ] = "root",
    ) -> None:
        """创建令牌，stdout 只有令牌本身。Creates a token; stdout holds it alone."""
        from reporter.store.tokens import TokenRefused, create

        async with opened(call.settings, create=True) as database:
            try:
                secret = await create(database, name, role, unit, SystemTime().now())
            except TokenRefused as why:
                raise Trouble(f"未创建：{why}", f"not created: {why}") from None
        call.answer({"token": secret, "name": name, "role": role.value, "unit": unit}, lambda: secret)

    @verb(unit, "import", *STORE)
    async def unit_import(call: Call, file: File) -> None:
        """导入单位：code,name,parent,phone,region。Imports units; absent ones are deactivated."""
        from reporter.store.csvfile import ImportRefused
        from reporter.store.people import import_units

        content = read_file(file)
        async with opened(call.settings, create=True) as database:
            try:
                done = await import_units(database, content)
            except ImportRefused as refused:
                raise import_refused(file, refused) from None
        call.answer(
            asdict(done),
            lambda: call.say(
                f"单位：新增 {done.added}，变更 {done.changed}，不变 {done.unchanged}，"
                f"停用 {done.deactivated}；根 {done.root}",
                f"units: {done.added} added, {done.changed} changed, {done.unchanged} unchanged, "
                f"{done.deactivated} deactivated; the root is {done.root}",
            ),
        )


def read_file(file: Path) -> bytes:
    """The file, or stdin for `-`. Raises WrongUsage."""
    import sys

    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as reason:
        why = reason.strerror or str(reason)
        raise WrongUsage(f"{file} 读不出：{why}", f"{file} cannot be read: {why}") from None


def import_refused(file: Path, refused: "ImportRefused") -> Trouble:
    """Every bad line, in words; nothing was changed."""
    lines = [f"{file}:{line}: {why}" if line else f"{file}: {why}" for line, why in refused.problems]
    listing = "".join(f"\n  {line}" for line in lines)
    return Trouble(
        f"未导入，什么都没有改：{listing}",
        f"not imported, nothing was changed:{listing}",
        document={
            "title": "import refused",
            "status": None,
            "detail": f"{file}: nothing was changed",
            "errors": [
                {"path": f"line {line}" if line else "", "message": why} for line, why in refused.problems
            ],
        },
    )

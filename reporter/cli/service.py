"""The verbs that run something: serve, demo, bench."""

import sys
from typing import Annotated

import typer

from reporter.cli.trouble import Trouble, WrongUsage
from reporter.cli.verb import SERVICE, Call, print_json, verb

DEMO_SPEED = 30.0


def register(app: typer.Typer) -> None:
    """Adds the verbs."""

    @verb(app, "serve", *SERVICE)
    async def serve(call: Call) -> int | None:
        """运行服务；就绪后 stdout 打印一行 JSON。Runs the service; one JSON line on stdout when ready."""
        from reporter.cli.schedules import catalog_of
        from reporter.cli.stored import in_words
        from reporter.embedded import EmbeddedNatsError
        from reporter.wiring import serve as run

        catalog_of(call.settings)  # says in words what is wrong with a schedule, if anything is
        try:
            with in_words():
                return await run(call.settings)
        except EmbeddedNatsError as reason:
            raise Trouble(
                f"内置消息服务器无法启动：{reason}。可用 --nats 指定已有的服务器，或换 --nats-port",
                f"the embedded broker cannot start: {reason}. Name a broker with --nats, "
                "or another --nats-port",
            ) from reason
        except OSError as reason:
            raise Trouble(
                f"无法启动：{reason}（--http {call.settings.http}，--data-dir {call.settings.data_dir}）",
                f"cannot start: {reason} (--http {call.settings.http}, --data-dir {call.settings.data_dir})",
            ) from reason

    @verb(app, "demo")
    async def demo(
        call: Call,
        speed: Annotated[
            float,
            typer.Option("--speed", help="时间流速，大于 1。How many times as fast time runs at first."),
        ] = DEMO_SPEED,
        http: Annotated[
            str | None,
            typer.Option("--http", help="HOST:PORT；缺省 127.0.0.1:8080 或任一空闲端口。The desk's address."),
        ] = None,
        keep: Annotated[
            bool, typer.Option("--keep", help="结束后保留数据目录。Keep the data folder.")
        ] = False,
    ) -> None:
        """演示：三个县区，一起自动上演的事件。A throw-away service in which one incident plays itself."""
        if not 1 < speed <= 3600:
            raise WrongUsage(
                f"--speed {speed:g}：应大于 1，至多 3600", f"--speed {speed:g}: above 1, at most 3600"
            )
        from reporter.cli.board import obligation_titles, render_board, render_notices
        from reporter.cli.shown import render_audit
        from reporter.demo import Demo, DemoView

        language = call.settings.language
        view = DemoView(
            language=language,
            is_live=sys.stdout.isatty() and not call.as_json,
            ready=print_json if call.as_json else None,
            board=render_board,
            notices=render_notices,
            audit=lambda document: render_audit(document, call.settings),
            titles=obligation_titles(language),
        )
        await Demo(speed=speed, http=http, keep=keep, view=view).run()

    @verb(app, "bench", "database")
    async def bench(
        call: Call,
        figures: Annotated[
            list[str] | None, typer.Argument(metavar="[FIGURE]...", help="缺省为全部。Absent: all of them.")
        ] = None,
        runs: Annotated[
            int, typer.Option("--runs", min=1, max=99, help="取中位数的次数。Runs per figure.")
        ] = 3,
        quick: Annotated[
            bool, typer.Option("--quick", help="小规模，先看个大概。Small sizes, for a first look.")
        ] = False,
    ) -> int | None:
        """测量本机上的性能数字。Measures the figures on this machine, each against a plain reference loop."""
        from reporter.bench import BenchError, UnknownFigure, run

        try:
            return await run(
                call.settings, figures=figures or [], runs=runs, as_json=call.as_json, quick=quick
            )
        except UnknownFigure as reason:
            raise WrongUsage(f"没有这项指标：{reason}", str(reason)) from reason
        except BenchError as reason:
            raise Trouble(f"无法测量：{reason}", f"this cannot be measured: {reason}") from reason

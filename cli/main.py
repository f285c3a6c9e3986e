"""`hedge`: the verbs of this installation. Imports what a command needs only when it runs, so that help is quick."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cli.nouns import CONTEXT, Root
from cli.place import DONE, NOT_CLEAN, exit_code
from core.errors import HedgeError

app = typer.Typer(
    name="hedge",
    cls=Root,
    help="Hedging sessions across perpetual-futures venues.",
    epilog="Exit codes: 0 done, 1 not clean, 2 refused, 3 not reachable, 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)

Seed = Annotated[int, typer.Option(min=0, help="Seed of the twins' prices and market makers.")]
Speed = Annotated[float, typer.Option(min=0.1, max=1000, help="How fast the twins' clock runs against the wall clock.")]
PortBase = Annotated[
    int | None,
    typer.Option(min=1024, max=65000, help="Control port of the twins; the venues are on the next three."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def demo(
    volume: Annotated[float, typer.Option(min=200, max=10_000_000, help="Volume target in USD.")] = 20_000,
    seed: Seed = 7,
    keep: Annotated[bool, typer.Option("--keep", help="Leave twins and Prefect running afterwards.")] = False,
    primary: Annotated[str, typer.Option(help="How legs are placed first: market or limit.")] = "market",
) -> None:
    """Run one session against the local venue twins and stop everything: exit code 0 only if it ended clean."""
    from cli.demo import run

    raise typer.Exit(run(volume=volume, seed=seed, keep=keep, primary=primary))


@app.command()
def up(seed: Seed = 7, speed: Speed = 1.0) -> None:
    """Start the venue twins, Prefect and the deployments, and stay in the foreground until Ctrl-C."""
    from cli.up import run

    raise typer.Exit(run(seed=seed, speed=speed))


@app.command()
def down() -> None:
    """Stop what `hedge up` started on this data folder; sessions wind down first."""
    from cli.up import stop

    raise typer.Exit(stop())


@app.command()
def sandbox(
    seed: Seed = 7,
    port_base: PortBase = None,
    speed: Speed = 1.0,
    scenario: Annotated[str | None, typer.Option(help="Script of faults to play, by name.")] = None,
) -> None:
    """Run only the venue twins, in the foreground."""
    from sandbox.server import main_run
    from store.home import Home

    raise typer.Exit(main_run(seed, port_base or Home.from_env(os.environ).port_base, speed, scenario))


@app.command()
def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Only this machine; ask no service and no venue.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check packages, keys, database, services and venues; exit code 1 when something would make sessions fail."""
    from cli.doctor import run

    raise typer.Exit(run(offline=offline, as_json=as_json))


@app.command()
def flatten(
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait until all are flat.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Wind every running or paused session down to flat; exit code 1 when one is not flat in time."""
    from cli.steering import flatten_all

    raise typer.Exit(flatten_all(wait_s=wait, as_json=as_json))


@app.command()
def watchdog(
    patience: Annotated[
        float | None,
        typer.Option(min=0, max=86400, help="Seconds without a live lease, beyond its expiry; HEDGE_WATCHDOG_S or 30."),
    ] = None,
) -> None:
    """Flatten sessions that nobody drives any more, in the foreground; `hedge up` starts one too."""
    from cli.watchdog import run

    raise typer.Exit(run(patience))


@app.command()
def report(session_id: str) -> None:
    """Write the HTML report of a session again, from the results, and print its path."""
    from cli.session import report as write

    write(session_id)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Hedging sessions across perpetual-futures venues."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"hedge {installed('hedging')}")
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    os.umask(0o077)  # what is written is the owner's
    try:
        sys.exit(answer(sys.argv[1:]))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(NOT_CLEAN)


def answer(arguments: list[str]) -> int:
    """Carry out one command and return its exit code; every error of ours is one sentence on stderr."""
    try:
        if not _answered_at_once(arguments):
            app(args=arguments, prog_name="hedge")
    except HedgeError as error:
        print(f"hedge: {error}", file=sys.stderr)
        return exit_code(error)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    return DONE


def _answered_at_once(arguments: list[str]) -> bool:
    """The question that is asked most has nothing to parse, so it does not wait for the parser's libraries to load."""
    if arguments not in (["session", "list"], ["session", "list", "--json"]):
        return False
    from cli.session import list_

    list_(as_json="--json" in arguments)
    return True


if __name__ == "__main__":
    main()

"""`hedge`: the verbs of this installation. Imports what a command needs only when it runs, so that help is quick."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from core.errors import HedgeError

app = typer.Typer(
    name="hedge",
    help="Hedging sessions across perpetual-futures venues.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Seed = Annotated[int, typer.Option(min=0, help="Seed of the twins' prices and market makers.")]
Speed = Annotated[float, typer.Option(min=0.1, max=1000, help="How fast the twins' clock runs against the wall clock.")]
PortBase = Annotated[
    int | None,
    typer.Option(min=1024, max=65000, help="Control port of the twins; the venues are on the next three."),
]


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


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def session(context: typer.Context) -> None:
    """Run a session from a request file; list, show, pause, resume, stop (`hedge session --help`)."""
    from cli.session import app as nouns

    nouns(args=context.args, prog_name="hedge session")


@app.command()
def report(session_id: str) -> None:
    """Write the HTML report of a session again, from the results, and print its path."""
    from flows.report import write_report
    from store.home import Home

    typer.echo(write_report(Home.from_env(os.environ), session_id))


def main() -> None:
    """Run the command line; every error of ours is one sentence on stderr and exit code 2."""
    try:
        app()
    except HedgeError as error:
        print(f"hedge: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()

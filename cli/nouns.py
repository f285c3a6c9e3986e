"""Groups of commands that are imported when one of them is used, so that help and completion stay quick."""

from __future__ import annotations

from importlib import import_module

import typer
from typer.core import TyperGroup
from typer.main import get_group

CONTEXT = {"help_option_names": ["-h", "--help"]}

# Noun: its module and what help says of it.
NOUNS = {
    "session": ("cli.session", "Create, start, watch and steer hedging sessions."),
    "account": ("cli.account", "Accounts at the venues, and their sealed keys."),
    "key": ("cli.key", "Keys of the HTTP API."),
    "results": ("cli.results", "Ask the results with SQL, prove and tidy them."),
}


def noun(help_: str) -> typer.Typer:
    """Return the app of one noun's module: plain help, no completion of its own."""
    return typer.Typer(
        help=help_,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )


class Root(TyperGroup):
    """The top group: its own commands, and the nouns by name."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Own commands in the order they were written, then the nouns."""
        return [*self.commands, *(name for name in NOUNS if name not in self.commands)]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> object:  # type: ignore[override]
        """Return a command; a noun comes as a group that has not been imported yet."""
        if cmd_name in NOUNS and cmd_name not in self.commands:
            self.commands[cmd_name] = _Noun(cmd_name)
        return super().get_command(ctx, cmd_name)


class _Noun(TyperGroup):
    """A noun's group, whose commands are imported at the first question about them."""

    def __init__(self, name: str) -> None:
        self._module, text = NOUNS[name]
        super().__init__(
            name=name, help=text, no_args_is_help=True, rich_markup_mode=None, context_settings=dict(CONTEXT)
        )

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        self._load()
        return list(self.commands)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> object:  # type: ignore[override]
        self._load()
        return super().get_command(ctx, cmd_name)

    def _load(self) -> None:
        if not self.commands:
            self.commands.update(get_group(import_module(self._module).app).commands)

"""How tcploop reads its command line: commands, or a bare port, which is the article's program."""

from __future__ import annotations

import re

import click

from .values import BadValue

_NEGATIVE = re.compile(r"-[0-9]")


class Command(click.Command):
    """A command in which -1 is a value, and never a mistyped option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move arguments such as -1 behind a `--`, where click takes them for values."""
        end = args.index("--") if "--" in args else len(args)
        options = [item for item in self.params if isinstance(item, click.Option) and not item.is_flag]
        takes_value = {name for item in options for name in item.opts}
        moved = [i for i in range(end) if _NEGATIVE.match(args[i]) and not takes_value & {*args[:i][-1:]}]
        if moved:
            kept = [args[i] for i in range(end) if i not in moved]
            args = [*kept, "--", *(args[i] for i in moved), *args[end + 1 :]]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage line; the program of a bare port has no name of its own."""
        formatter.write_usage(ctx.command_path.strip(), " ".join(self.collect_usage_pieces(ctx)))


class Program(Command):
    """A command whose arguments are another program's: after the first of them nothing is an option of its own."""

    allow_interspersed_args = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave the arguments as they are: a -1 among them is the other program's."""
        return click.Command.parse_args(self, ctx, args)


class Commands(click.Group):
    """The commands by name; what begins with a number, or an option of its own, goes to `program`."""

    command_class = Command
    program: click.Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep click from reading a leading -1 or --range as an option of tcploop itself."""
        if args and self._is_for_program(ctx, args[0]):
            args = ["--", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` name, and what is left for it."""
        if self._is_for_program(ctx, args[0]):
            return "", self.program, args
        if args[0] not in self.commands:
            names = ", ".join(self.commands)
            raise BadValue(f"command {args[0]!r}: give a port, or one of {names}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they were added, which is that of the course."""
        return list(self.commands)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show both ways to call it."""
        formatter.write_usage(ctx.command_path, "PORT [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS] [ARGS]")

    def _is_for_program(self, ctx: click.Context, first: str) -> bool:
        own = {name for item in self.get_params(ctx) for name in item.opts}
        return first[:1].isdecimal() or (first.startswith("-") and first not in own)

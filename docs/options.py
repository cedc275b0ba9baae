"""Write docs/options.md from the command line's own help: `make options`."""

from pathlib import Path

import click

from rebroadcast import cli

HEAD = """# Commands and options

`rebroadcast COMMAND --help` says the same. An option's name is the notebook's parameter with `_`
for `-` (`--from` is `from_`), and the key in a batch file.

| command | what it does |
|---|---|
"""


def usage(name: str, command: click.Command) -> str:
    """A command with its arguments, as its help writes them."""
    context = click.Context(command)
    words = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
    return " ".join(["rebroadcast", name, *words])


def main() -> None:
    commands = dict(sorted(cli.app.commands.items()))
    text = HEAD
    for name, command in commands.items():
        told = " ".join((command.help or "").split())
        text += f"| `{usage(name, command)}` | {told} |\n"
    text += "\n| option | what it does | of |\n|---|---|---|\n"
    options: dict[str, tuple[str, list[str]]] = {}
    for name, command in commands.items():
        for param in command.params:
            for flag in param.opts if isinstance(param, click.Option) else ():
                if flag.startswith("--"):
                    options.setdefault(flag, (param.help or "", []))[1].append(name)
    for flag, (told, names) in sorted(options.items()):
        text += f"| `{flag}` | {told} | {', '.join(names)} |\n"
    (Path(__file__).parent / "options.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()

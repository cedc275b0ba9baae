"""The command line: a thin skin over reports and explain. The options are the notebooks' parameters."""

import inspect
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from .exceptions import RebroadcastError

app = typer.Typer(
    name="rebroadcast", no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
    help="Why a broadcast's messages failed, who can be reached again and when, and whether it worked.",
)  # fmt: skip


def _option(text: str, *names: str, kind: type = str, default: object = None):
    return Annotated[kind | None if default is None else kind, typer.Option(*names, help=text)], default


EXPORTS = Annotated[
    list[str], typer.Argument(help="Failed-messages exports: files or quoted patterns.", show_default=False)
]
OPTIONS = {
    "channels": _option("The channels file (TOML): names, kinds, limits, time zone."),
    "messages": _option("The messages export of the same days: shows what was delivered."),
    "contacts": _option("The contacts export: keeps the tags that contacts have."),
    "channel": _option("Only this channel ID (several with commas)."),
    "from_": _option("From this day or minute, in the workspace's time.", "--from"),
    "to": _option("To the end of this day, or to this minute.", "--to"),
    "sender_type": _option("Only this sender type, such as broadcast or user."),
    "timezone": _option("Time zone of the export's times, such as America/Mexico_City."),
    "date_format": _option("Order of ambiguous dates: DMY, MDY or a pattern such as %d/%m/%Y."),
    "attempted": _option("Messages attempted on a channel, such as 1001=1500 (several with commas)."),
    "rules": _option("Your own rules file (TOML), which goes before the packaged rules."),
    "language": _option("Language of the report: en or es.", default="en"),
    "ledger": _option("The ledger folder: who was tagged before."),
    "engine": _option("Engine: duckdb (default)."),
    "tag": _option("The tag for the contacts, such as 'failed broadcast {date:%d%m%y}'."),
    "fixed": _option("Causes that have been mended, such as template."),
    "waves": _option("One tag and one set of files per wave that fits the limits.", kind=bool, default=False),
    "reserve": _option("Contacts per window kept free for everyday traffic."),
    "start": _option("When sending may begin, in the workspace's time (default: now)."),
    "quiet": _option("Hours in which nothing is sent, such as 21:00-08:00."),
    "deadline": _option("When all must be sent, in the workspace's time."),
    "out": _option("Folder for the results.", kind=Path),
    "overwrite": _option("Replace results that are in the folder.", kind=bool, default=False),
    "json": _option("Print the run record as JSON.", "--json", kind=bool, default=False),
}
PLAN = ["reserve", "start", "quiet", "deadline"]
COMMON = [n for n in OPTIONS if n not in ("tag", "fixed", "ledger", "waves", "contacts", *PLAN)]


def _command(name: str, notebook: str, options: list[str], text: str) -> None:
    """Add a command whose options are the parameters of a notebook."""

    def command(**given) -> None:
        out, overwrite, as_json = given.pop("out"), given.pop("overwrite"), given.pop("json")
        from . import reports

        asked = {k: v for k, v in given.items() if v is not None}
        out = out or Path("results") / notebook
        print(f"Running {notebook} on {', '.join(asked['exports'])}", file=sys.stderr)
        _show(reports.run(notebook, asked, out, overwrite), out, as_json)

    empty = inspect.Parameter.empty
    kinds = {"exports": (EXPORTS, empty)} | {n: OPTIONS[n] for n in OPTIONS if n in options}
    keyword = inspect.Parameter.KEYWORD_ONLY
    command.__signature__ = inspect.Signature(
        [inspect.Parameter(n, keyword, annotation=a, default=d) for n, (a, d) in kinds.items()]
    )
    command.__annotations__ = {n: a for n, (a, _) in kinds.items()}
    app.command(name, help=text)(command)


_command("report", "failure_report", COMMON, "What failed and why, as one HTML file.")
_command("quota", "quota_overflow", [*COMMON, *PLAN], "Limits, overflow and a plan in waves.")
_command(
    "recover",
    "tag_import",
    [*[n for n in COMMON if n != "attempted"], *PLAN, "waves", "contacts", "tag", "fixed"],
    "Who to reach again, as tag-import CSV files.",
)


def _show(content: dict, out: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2, default=str))
        return
    for name, rows in content.get("counts", {}).items():
        if rows:
            typer.echo(f"{rows:>10,}  {name.replace('_', ' ')}")
    for entry in content["outputs"]:
        if entry["name"].endswith(".html") or entry["name"].startswith("import/"):
            typer.echo(out / entry["name"])


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="The error text, as the export gives it.")],
    kind: Annotated[str | None, typer.Option(help="Channel kind, such as whatsapp, telegram or sms.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Your own rules file (TOML).")] = None,
    language: Annotated[str, typer.Option(help="Language of the answer: en or es.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """One error, explained: cause, verdict, how long to wait, what to fix, and the source of the advice."""
    from .channels import find_kind
    from .errors import explain, load_rules
    from .exceptions import ParameterError, did_you_mean
    from .language import language as speak
    from .words import cause_name, verdict_name

    lang = speak(language)
    if kind and not find_kind(kind):
        from .channels import kinds

        raise ParameterError(
            f"'{kind}' is no channel kind.{did_you_mean(kind, kinds())} Known: {', '.join(kinds())}.", "kind"
        )
    found = explain(text, kind, load_rules(rules), language)
    if as_json:
        answer = {name: getattr(found, name) for name in found.__dataclass_fields__}
        answer["wait"] = found.wait.total_seconds() if found.wait is not None else None
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    _ = lang.gettext
    wait = f" ({lang.duration(found.wait)})" if found.wait else ""
    lines = [
        (_("Meaning"), found.title), (_("Verdict"), verdict_name(found.verdict, lang) + wait),
        (_("What to do"), found.fix), (_("Cause"), f"{cause_name(found.cause, lang)} ({found.cause})"),
        (_("Rule"), found.rule or _("no rule knows this text")), (_("Source"), found.source or "—"),
    ]  # fmt: skip
    width = max(len(name) for name, _text in lines)
    for name, value in lines:
        typer.echo(f"{name:<{width}}  {value}")


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit status 2."""
    try:
        app()
    except RebroadcastError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()

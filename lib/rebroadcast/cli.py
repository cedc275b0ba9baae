"""The command line: a thin skin over reports and explain. The options are the notebooks'
parameters.
"""

import inspect
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from .bench import parameters
from .common.exceptions import RebroadcastError, speak, visible
from .common.language import Language, language
from .show.words import cause_name, disposition_name, verdict_name

app = typer.Typer(
    name="rebroadcast",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Why a broadcast's messages failed, who can be reached again and when, and whether it"
        " worked."
    ),
)


def _say(text: object, err: bool = False) -> None:
    """Print a text that may hold a stranger's: nothing in it can steer the terminal."""
    typer.echo(visible(text), err=err)


def _json(content: object) -> None:
    _say(json.dumps(content, ensure_ascii=False, indent=2, default=str))


def _list(lines: dict[str, object]) -> None:
    """Print names and values, one pair a line."""
    width = max(map(len, lines))
    for name, value in lines.items():
        _say(f"{name:<{width}}  {value}")


def _option(text: str, *names: str, kind: type = str, default: object = None):
    return (
        Annotated[kind | None if default is None else kind, typer.Option(*names, help=text)],
        default,
    )


def _files(text: str, kind: object = list[str], **more):
    return Annotated[kind, typer.Argument(help=text, show_default=False, **more)]


OPTIONS = {
    "channels": _option("The channels file (TOML): names, kinds, limits, time zone."),
    "messages": _option("The messages export of the same days: shows what was delivered."),
    "contacts": _option("The contacts export: keeps the tags that contacts have."),
    "channel": _option("Only this channel ID (several with commas)."),
    "from_": _option("From this day or minute, in the workspace's time.", "--from"),
    "to": _option("To the end of this day, or to this minute.", "--to"),
    "sender_type": _option(
        "Only this sender type, such as user; limits and recovery take broadcast unless told"
        " otherwise."
    ),
    "cause": _option(
        "Only contacts with a failure of this cause, such as quota (several with commas)."
    ),
    "verdict": _option(
        "Only contacts with a failure of this verdict: wait, fix, never or unknown."
    ),
    "text": _option("Only contacts with a failure whose error holds this text."),
    "timezone": _option("Time zone of the export's times, such as America/Mexico_City."),
    "date_format": _option("Order of ambiguous dates: DMY, MDY or a pattern such as %d/%m/%Y."),
    "attempted": _option(
        "Messages attempted on a channel, such as 1001=1500 (several with commas)."
    ),
    "compare": _option("Folder of an earlier report: shows what rose and fell."),
    "rules": _option("Your own rules file (TOML), which goes before the packaged rules."),
    "language": _option("Language of the report: en or es.", default="en"),
    "ledger": _option("The ledger folder: who was tagged before."),
    "engine": _option("duckdb (default), or Spark: spark://host:7077, local[2], local[*]."),
    "tag": _option("The tag for the contacts, such as 'failed broadcast {date:%d%m%y}'."),
    "fixed": _option("Causes that have been mended, such as template."),
    "broadcast": _option(
        "What the ledger calls the broadcast (default: its channels and first day)."
    ),
    "decided_by": _option(
        "Who says that a cause has been mended (default: the user of this computer)."
    ),
    "waves": _option(
        "One tag and one set of files per wave that fits the limits.", kind=bool, default=False
    ),
    "reserve": _option("Contacts per window kept free for everyday traffic."),
    "start": _option("When sending may begin, in the workspace's time (default: now)."),
    "quiet": _option("Hours in which nothing is sent, such as 21:00-08:00."),
    "deadline": _option("When all must be sent, in the workspace's time."),
    "out": _option("Folder for the results.", kind=Path),
    "dry_run": _option(
        "Show counts, first rows and the difference to the last run; write nothing.",
        kind=bool,
        default=False,
    ),
    "overwrite": _option("Replace results that are in the folder.", kind=bool, default=False),
    "json": _option("Print the run record as JSON.", "--json", kind=bool, default=False),
}
PLAN = ("reserve", "start", "quiet", "deadline")
RESEND = ("ledger", "broadcast")
RECOVER = (
    *PLAN,
    *RESEND,
    "cause",
    "verdict",
    "text",
    "waves",
    "contacts",
    "tag",
    "fixed",
    "decided_by",
    "dry_run",
)
COMMON = tuple(n for n in OPTIONS if n not in (*RECOVER, "compare", "attempted"))


def _command(name: str, notebook: str, options: tuple[str, ...], text: str) -> None:
    """Add a command whose options are the common ones and these parameters of a notebook."""

    def command(**given) -> None:
        from .report import reports

        out, overwrite, as_json, dry_run = (
            given.pop(name, None) for name in ("out", "overwrite", "json", "dry_run")
        )
        asked, out = (
            {k: v for k, v in given.items() if v is not None},
            out or Path("results") / notebook,
        )
        speak(asked["language"])
        if dry_run:
            return _dry_run(asked, out)
        lang = language(asked["language"])
        _say(
            lang.gettext(
                "Running {notebook} on {files}",
                notebook=notebook,
                files=", ".join(asked["exports"]),
            ),
            err=True,
        )
        content = reports.run(notebook, asked, out, overwrite)
        if as_json:
            return _json(content)
        _counts(content.get("counts", {}), lang)
        _waves(content.get("waves", []), content.get("timezone"), lang)
        for warning in content.get("warnings", []):
            _say(lang.gettext("Warning: {text}", text=warning), err=True)
        for entry in content["outputs"]:
            if entry["name"].endswith(".html") or entry["name"].startswith("import/"):
                _say(out / entry["name"])

    exports = _files("Failed-messages exports: files or quoted patterns."), inspect.Parameter.empty
    _add(
        command,
        name,
        {"exports": exports} | {n: OPTIONS[n] for n in OPTIONS if n in (*COMMON, *options)},
        text,
    )


def _add(command, name: str, kinds: dict, text: str) -> None:
    """Give a function the options in kinds (name → type, default), and make it a command."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    command.__signature__ = inspect.Signature(
        [inspect.Parameter(n, keyword, annotation=a, default=d) for n, (a, d) in kinds.items()]
    )
    command.__annotations__ = {n: a for n, (a, _) in kinds.items()}
    app.command(name, help=text)(command)


_command(
    "report", "failure_report", ("attempted", "compare"), "What failed and why, as one HTML file."
)
_command("quota", "quota_overflow", ("attempted", *PLAN), "Limits, overflow and a plan in waves.")
_command("recover", "tag_import", RECOVER, "Who to reach again, as tag-import CSV files.")
_command(
    "check",
    "recovery_check",
    RESEND,
    "Did the resend reach them: the ledger against newer exports.",
)


def _dry_run(asked: dict, out: Path) -> None:
    """What a recovery would do, in the terminal."""
    from .bench.workbench import Workbench, check
    from .report import reports
    from .verbs.preview import preview

    known = parameters.declared(reports.locate("tag_import"))
    checked = {name: d.default for name, d in known.items()} | parameters.check(known, asked)
    check(checked)
    bench = Workbench(checked, "tag_import")
    found, _, number = preview(bench, out), bench.lang.gettext, bench.lang.number
    _counts(found.counts, bench.lang)
    _waves(bench.waves, bench.timezone, bench.lang)
    _say(_("First rows of the import files:"))
    for contact, tag in found.first.itertuples(index=False):
        _say(f"  {contact},{tag}")
    if found.new is None:
        _say(_("There is no earlier run to compare with."))
    else:
        facts = {
            "new": number(len(found.new)),
            "gone": number(len(found.gone)),
            "since": found.since,
        }
        _say(_("Compared with {since}: new contacts {new}, gone {gone}.", **facts))
        for sign, frame in (("+", found.new), ("-", found.gone)):
            for contact, now in frame.head(20).itertuples(index=False):
                fate = (
                    disposition_name(now, bench.lang)
                    if now == now and now
                    else _("not in this export")
                )
                _say(f"  {sign} {contact}  {fate}")
    _say(_("Dry run: nothing was written."))


def _counts(counts: dict[str, int], lang: Language) -> None:
    for name, rows in counts.items():
        if rows:
            _say(f"{lang.number(rows):>10}  {disposition_name(name, lang)}")


def _waves(waves: list[dict], zone: str, lang: Language) -> None:
    """The tags of several audiences or waves, and from when on each may be sent to."""
    for wave in waves if len(waves) > 1 or any("start" in w for w in waves) else ():
        at = (
            datetime.fromisoformat(wave["start"]).astimezone(ZoneInfo(zone))
            if "start" in wave
            else None
        )
        when = (
            lang.gettext("from {time} ({zone})", time=f"{at:%Y-%m-%d %H:%M}", zone=zone)
            if at
            else ""
        )
        _say(f"{lang.number(wave['contacts']):>10}  {wave['tag']}  {when}".rstrip())


def _preflight(**given) -> None:
    from .bench.workbench import Workbench
    from .verbs.preflight import preflight

    as_json, speech = given.pop("json"), given.pop("language")
    speak(speech)
    earlier = [p for p in (given.pop("failed") or "").split(",") if p]
    bench = Workbench(
        {k: v for k, v in given.items() if v is not None} | {"exports": earlier, "language": speech}
    )
    found = preflight(bench)
    if as_json:
        return _json(asdict(found))
    _ = bench.lang.gettext
    lines = {
        _("Channel"): f"{found.channel} ({found.kind})",
        _("Contacts"): found.contacts,
        _("Duplicates"): found.duplicates,
        _("Not on this channel, or no number for it"): found.no_identifier,
        _("Known to be final on this channel"): found.refused,
        _("Unreachable before (still sent to)"): found.unreachable,
        _("Already planned in the ledger"): found.planned,
        _("Left to send to"): found.sendable,
        _("Limit"): found.limit,
        _("Room in the limit at the start"): found.left,
        _("Waves"): found.waves,
        _("Done by"): found.finish and bench.lang.datetime(bench.wall_clock(found.finish)),
        _("Segments needed"): found.segments,
        _("Segments allowed"): found.segment_limit,
    }
    number = bench.lang.number
    _list(
        {
            name: number(value) if isinstance(value, int) else value or "—"
            for name, value in lines.items()
        }
    )
    if found.note:
        _say(found.note)


_add(
    _preflight,
    "preflight",
    {
        "contacts": (
            _files("The contacts export that the broadcast is for.", str),
            inspect.Parameter.empty,
        ),
        "failed": _option(
            "Failed-messages exports from before (several with commas): who is known to be final."
        ),
        **{
            n: OPTIONS[n]
            for n in (
                "channel",
                "channels",
                "messages",
                "ledger",
                *PLAN,
                "timezone",
                "date_format",
                "rules",
                "language",
                "json",
            )
        },
    },
    "A planned broadcast, checked before it is sent.",
)


@app.command()
def convert(
    exports: _files("Exports: files or quoted patterns."),
    out: _files("A new folder for the Parquet files.", Path, metavar="DIR"),
    date_format: Annotated[
        str, typer.Option(help="Order of ambiguous dates: DMY, MDY or a pattern.")
    ] = "",
    overwrite: Annotated[bool, typer.Option(help="Replace what is in the folder.")] = False,
) -> None:
    """Exports read once, into Parquet files that every command takes: name DIR in place of the
    export.
    """
    from .reading.convert import convert

    for found in convert(exports, out, date_format, overwrite):
        _say(
            f"{found['rows']:>10,}  {found['kind']}, {found['rejected']:,} rejected,"
            f" {found['files']} files"
        )
    _say(out)


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="The error text, as the export gives it.")],
    kind: Annotated[
        str | None, typer.Option(help="Channel kind, such as whatsapp, telegram or sms.")
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="Your own rules file (TOML).")] = None,
    speech: Annotated[
        str, typer.Option("--language", help="Language of the answer: en or es.")
    ] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """One error, explained: cause, verdict, how long to wait, what to fix, and the source of the
    advice.
    """
    from .common.exceptions import ParameterError, did_you_mean
    from .errors import canonical_kind, explain, load_rules

    speak(speech)
    lang = language(speech)
    if kind and not canonical_kind(kind):
        from .limits.channels import find_kind, kinds

        if not find_kind(kind):
            raise ParameterError(
                "'{kind}' is no channel kind.{hint} Known: {known}.",
                "kind",
                kind=kind,
                hint=did_you_mean(kind, kinds()),
                known=", ".join(kinds()),
            )
    found = explain(text, kind, load_rules(rules), speech)
    if as_json:
        return _json(
            asdict(found) | {"wait": found.wait.total_seconds() if found.wait is not None else None}
        )
    _ = lang.gettext
    wait = f" ({lang.duration(found.wait)})" if found.wait else ""
    _list(
        {
            _("Meaning"): found.title,
            _("Verdict"): verdict_name(found.verdict, lang) + wait,
            _("What to do"): found.fix,
            _("Cause"): f"{cause_name(found.cause, lang)} ({found.cause})",
            _("Rule"): found.rule or _("no rule knows this text"),
            _("Source"): found.source or "—",
        }
    )


@app.command()
def batch(
    file: Annotated[
        Path, typer.Argument(help="The batch file (TOML): entries, their notebooks and parameters.")
    ],
    jobs: Annotated[int, typer.Option(min=1, help="How many entries run at once.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder for the reports and the index page.")] = Path(
        "results/batch"
    ),
    resume: Annotated[
        bool, typer.Option(help="Skip what is finished with the same files and parameters.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print batch.json.")] = False,
) -> None:
    """Many runs, one index page: each entry of a batch file, a few at once."""
    from .batch.batch import run

    content = run(file, out, jobs, resume)
    if as_json:
        _json(content)
    if failed := [row for row in content["entries"] if row["this_batch"] == "failed"]:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        lang, done = language(content["language"]), len(content["entries"])
        _ = lang.gettext
        table = Table(_("Workspace"), _("Entry"), _("Why it failed"), box=box.SIMPLE)
        for row in failed:
            table.add_row(*(Text(visible(row[name])) for name in ("workspace", "name", "message")))
        headline = lang.ngettext(
            "{n} of {all} reports failed.",
            "{n} of {all} reports failed.",
            len(failed),
            all=lang.number(done),
        )
        Console(stderr=True, highlight=False).print(headline, table)
    if not as_json:
        _say(out / "index.html")
    raise typer.Exit(bool(failed))


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit status 2."""
    try:
        app()
    except RebroadcastError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()

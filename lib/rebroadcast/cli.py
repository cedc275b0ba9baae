"""The command line: a thin skin over reports and explain. The options are the notebooks'
parameters.
"""

import json
import os
import runpy
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from . import __version__
from .bench import parameters
from .common.doubts import loudest_first
from .common.exceptions import ParameterError, RebroadcastError, did_you_mean, speaking, visible
from .common.language import Language, language
from .show.words import (
    cause_name,
    confidence_name,
    disposition_name,
    outcome_name,
    unnamed,
    verdict_name,
)
from .sources import share

if TYPE_CHECKING:
    from .bench.workbench import Workbench


@click.group(name="rebroadcast", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def app() -> None:
    """Why a broadcast's messages failed, who can be reached again and when, and whether it
    worked.
    """


class _Command(click.Command):
    """A command whose errors speak the language that it was given, and which takes each value that
    it is given, or none: of an option given twice Click would keep the last without a word.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        *_, given = self.make_parser(ctx).parse_args(list(args))
        ctx.meta["given"] = Counter(one for one in given if not getattr(one, "is_flag", True))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with speaking(ctx.params.get("language") or ctx.params.get("speech")):
            for option, times in ctx.meta["given"].items():
                if times > 1:
                    raise ParameterError(
                        "{option} was given {times} times; give it once, with commas between"
                        " several values where it takes several.",
                        option.name,
                        option=option.opts[0],
                        times=times,
                    )
            return super().invoke(ctx)


app.command_class = _Command


def _say(text: object, err: bool = False) -> None:
    """Print a text that may hold a stranger's: nothing in it can steer the terminal."""
    click.echo(visible(text), err=err)


def _json(content: object) -> None:
    _say(json.dumps(content, ensure_ascii=False, indent=2, default=str))


def _list(lines: dict[str, object]) -> None:
    """Print names and values, one pair a line."""
    width = max(map(len, lines))
    for name, value in lines.items():
        _say(f"{name:<{width}}  {value}")


FOLDER = click.Path(path_type=Path)


def _option(name: str, text: str, **more: Any) -> click.Option:
    """An option, called by a parameter's name unless more says otherwise (`flags`, as Click
    writes them).
    """
    flags = more.pop("flags", "--" + name.replace("_", "-"))
    return click.Option([name, flags], help=text, show_default=bool(more.get("default")), **more)


def _flag(name: str, text: str) -> click.Option:
    flags = "--{0}/--no-{0}".format(name.replace("_", "-"))
    return _option(name, text, flags=flags, default=False)


OPTIONS = {
    option.name: option
    for option in (
        _option("channels", "The channels file (TOML): names, kinds, limits, time zone."),
        _option("messages", "The messages export of the same days: shows what was delivered."),
        _option("contacts", "The contacts export: keeps the tags that contacts have."),
        _option("channel", "Only this channel, by ID or name (several with commas)."),
        _option("from_", "From this day or minute, in the workspace's time.", flags="--from"),
        _option("to", "To the end of this day, or to this minute.", flags="--to"),
        _option(
            "sender_type",
            "Only this sender type, such as user; limits and recovery take broadcast unless told"
            " otherwise.",
        ),
        _option(
            "cause",
            "Only contacts with a failure of this cause, such as quota (several with commas).",
        ),
        _option(
            "verdict", "Only contacts with a failure of this verdict: wait, fix, never or unknown."
        ),
        _option("text", "Only contacts with a failure whose error holds this text."),
        _option(
            "timezone",
            "Time zone of the export's times, such as America/Mexico_City or 'Mexico City'.",
        ),
        _option("date_format", "Order of ambiguous dates: DMY, MDY or a pattern such as %d/%m/%Y."),
        _option(
            "profile",
            "What the export is, where two profiles fit: a name of `rebroadcast profiles`, or your"
            " own profile file (TOML).",
        ),
        _option(
            "attempted", "Messages attempted on a channel, such as 1001=1500 (several with commas)."
        ),
        _option("compare", "Folder of an earlier report: shows what rose and fell."),
        _option("rules", "Your own rules file (TOML), which goes before the packaged rules."),
        _option("language", "Language of the report: en or es, by code or name.", default="en"),
        _flag("light", "A page of pictures and text alone, without plotly: small enough for mail."),
        _option("ledger", "The ledger folder: who was tagged before."),
        _option("engine", "duckdb (default), or Spark: spark://host:7077, local[2], local[*]."),
        _option("tag", "The tag for the contacts, such as 'failed broadcast {date:%d%m%y}'."),
        _option(
            "exclude_tag",
            "Leave out contacts that have this tag, such as unsubscribed (several with commas).",
        ),
        _option(
            "for_",
            "Whose import the contacts are for, such as respondio, wati or numbers (default: that"
            " of the export's vendor).",
            flags="--for",
        ),
        _option("fixed", "Causes that have been mended, such as template."),
        _option(
            "broadcast",
            "Only this broadcast: its key or its name (see the command broadcasts).",
        ),
        _option(
            "reached",
            "What counts as reached: the same message or its resend (message), or any.",
            default="message",
        ),
        _option(
            "decided_by",
            "Who says that a cause has been mended (default: the user of this computer).",
        ),
        _flag("waves", "One tag and one set of files per wave that fits the limits."),
        _option("reserve", "Contacts per window kept free for everyday traffic."),
        _option("start", "When sending may begin, in the workspace's time (default: now)."),
        _option("quiet", "Hours in which nothing is sent, such as 21:00-08:00."),
        _option("deadline", "When all must be sent, in the workspace's time."),
        _option("out", "Folder for the results.", type=FOLDER),
        _flag(
            "dry_run", "Show counts, first rows and the difference to the last run; write nothing."
        ),
        _flag("strict", "Take any warning for an error: exit status 2, and nothing is written."),
        _flag("overwrite", "Replace results that are in the folder."),
        _option("as_json", "Print the run record as JSON.", flags="--json", is_flag=True),
    )
}
PLAN = ("reserve", "start", "quiet", "deadline")
RESEND = ("ledger", "reached")
RECOVER = (
    *PLAN,
    *RESEND,
    "cause",
    "verdict",
    "text",
    "waves",
    "contacts",
    "exclude_tag",
    "tag",
    "for_",
    "fixed",
    "decided_by",
    "dry_run",
)
PREFLIGHT = (
    "channel",
    "channels",
    "messages",
    "ledger",
    *PLAN,
    "timezone",
    "date_format",
    "profile",
    "rules",
    "language",
    "as_json",
)
DRAFT = ("messages", "timezone", "date_format", "profile", "rules", "language", "engine")
COMMON = tuple(n for n in OPTIONS if n not in (*RECOVER, "compare", "attempted"))


EXPORTS = click.Argument(
    ["exports"],
    help="Failed-messages exports: files or quoted patterns.",
    nargs=-1,
    required=True,
)


def _run(
    notebook: str,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    strict: bool,
    dry_run: bool = False,
    **given: Any,
) -> None:
    """Run a notebook with the options that were given, and say what came of it."""
    from .report import reports

    out = out or Path("results") / notebook
    asked = {name: value for name, value in given.items() if value is not None}
    asked |= {"exports": list(asked["exports"])}
    if dry_run:
        return _dry_run(asked, out)
    lang = language(asked["language"])
    files = ", ".join(asked["exports"])
    _say(lang.gettext("Running {notebook} on {files}", notebook=notebook, files=files), err=True)
    content = reports.run(notebook, asked, out, overwrite, strict=strict)
    if not as_json:
        _counts(content.get("counts", {}), lang)
        _counts(content.get("outcomes", {}), lang, outcome_name)
        _waves(content.get("waves", []), content.get("timezone") or "UTC", lang)
    _warn(content.get("warnings", []), lang)
    if as_json:
        return _json(content)
    if not parameters.with_sample(asked).get("channels"):
        _say(unnamed(lang, shlex.join(asked["exports"])), err=True)
    for entry in content["outputs"]:
        if entry["name"].endswith(".html") or entry["name"].startswith("import/"):
            _say(out / entry["name"])


def _params(*more: str) -> list[click.Parameter]:
    """The export files, the options that all reports have, and these."""
    return [EXPORTS, *(option for name, option in OPTIONS.items() if name in (*COMMON, *more))]


REPORTS = (  # the command, its notebook, what it has beside the options of all, and its help
    (
        "report",
        "failure_report",
        ("attempted", "compare", "contacts", "exclude_tag"),
        "What failed and why, as one HTML file.",
    ),
    ("quota", "quota_overflow", ("attempted", *PLAN), "Limits, overflow and a plan in waves."),
    ("recover", "tag_import", RECOVER, "Who to reach again, as tag-import CSV files."),
    (
        "check",
        "recovery_check",
        RESEND,
        "Did the resend reach them: the ledger against newer exports.",
    ),
)
for _name, _notebook, _more, _help in REPORTS:
    app.command(_name, params=_params(*_more), help=_help)(partial(_run, _notebook))


def _dry_run(asked: dict, out: Path) -> None:
    """What a recovery would do, in the terminal."""
    from .bench import settings as settings_
    from .bench.workbench import Workbench
    from .report import reports
    from .verbs.preview import preview

    known = parameters.declared(reports.locate("tag_import"))
    checked = {name: d.default for name, d in known.items()} | parameters.check(known, asked)
    settings_.check(checked)
    bench = Workbench(settings_.Settings.parse(checked | {"out": ""}, "tag_import"))
    found, reader = preview(bench.settings, bench.tables, out), bench.reader
    _, recovery = reader.gettext, found.recovery
    _counts(recovery.counts, reader.lang)
    _waves(recovery.waves, reader.zone, reader.lang)
    _warn(map(reader.said, loudest_first(recovery.doubts)), reader.lang)
    _say(_("First rows of the import files:"))
    for line in found.first:
        _say(f"  {line}")
    if found.new is None or found.gone is None:
        _say(_("There is no earlier run to compare with."))
    else:
        counts = {name: reader.number(len(getattr(found, name))) for name in ("new", "gone")}
        _say(
            _(
                "Compared with {since}: new contacts {new}, gone {gone}.",
                since=found.since,
                **counts,
            )
        )
        for sign, frame in (("+", found.new), ("-", found.gone)):
            for contact, fate in frame.head(20).fillna("").itertuples(index=False):
                told = disposition_name(fate, reader.lang) if fate else _("not in this export")
                _say(f"  {sign} {contact}  {told}")
    _say(_("Dry run: nothing was written."))


def _warn(warnings: Iterable[str], lang: Language) -> None:
    for warning in warnings:
        _say(lang.gettext("Warning: {text}", text=warning), err=True)


def _counts(counts: dict[str, int], lang: Language, called: Callable = disposition_name) -> None:
    for name, rows in counts.items():
        if rows:
            _say(f"{lang.number(rows):>10}  {called(name, lang, rows)}")


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


@app.command(
    params=[
        click.Argument(
            ["file"], help="An export: print a profile for it, to complete.", required=False
        )
    ]
)
def profiles(file: str | None) -> None:
    """The exports that are known, by vendor: name, grade of evidence, date, what for, source."""
    from .sources import files, profile

    if file:
        return _say(files.stub(Path(file)))
    for name, one in profile.packaged().items():
        _say(f"{name:<12}{one.grade}  {one.date}  {one.title}: {', '.join(profile.uses(one))}")
        _say(f"{'':<24}{one.source}")


def _opened(given: dict[str, Any]) -> "Workbench":
    """A workbench over what options name, without a place for results."""
    from .bench.settings import NAMES, Settings
    from .bench.workbench import Workbench

    stated = {n: v for n, v in given.items() if v is not None and n in NAMES and n != "out"}
    return Workbench(Settings.parse(stated | {"exports": list(given["exports"])}))


@app.command(params=_params("attempted"))
def broadcasts(**given: Any) -> None:
    """One row per broadcast, in the terminal."""
    from .verbs import summarise

    bench = _opened(given)
    listed = summarise.broadcasts(bench.settings, bench.tables)
    _warn(
        map(bench.reader.said, loudest_first(summarise.look(bench.tables).doubts)),
        bench.reader.lang,
    )
    if given["as_json"]:
        return _json(summarise.as_json(listed))
    frame = summarise.titled(listed, bench.reader)
    _table(frame.columns, frame.itertuples(index=False))


@app.command(
    name="channels",
    params=[EXPORTS, *(option for name, option in OPTIONS.items() if name in DRAFT)],
)
def draft(**given: Any) -> None:
    """A channels file, drafted: IDs, kinds with the reason, limits as comments."""
    from .bench.doubts import of_files
    from .bench.draft import draft as drafted
    from .sources.files import find

    bench = _opened(given | {"exports": map(str, find(list(given["exports"])))})
    click.echo(drafted(bench.tables), nl=False)
    told = [d for d in loudest_first(of_files(bench.tables)) if d.kind != "clock"]
    _warn(map(bench.reader.said, told), bench.reader.lang)


def _table(heads: Iterable[str], rows: Iterable[Sequence[object]], err: bool = False) -> None:
    """Print a small table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table, cells = Table(box=box.SIMPLE), [list(map(str, row)) for row in rows]
    for place, name in enumerate(heads):
        right = all(row[place][:1].isdigit() or row[place] == "—" for row in cells)
        table.add_column(name, justify="right" if right else "left")
    for row in cells:
        table.add_row(*(Text(visible(cell)) for cell in row))
    wide = None if (sys.stderr if err else sys.stdout).isatty() else 200
    Console(highlight=False, stderr=err, width=wide).print(table)


@app.command(
    params=[
        click.Argument(["contacts"], help="The contacts export that the broadcast is for."),
        _option(
            "failed",
            "Failed-messages exports from before (several with commas): who is known to be final.",
        ),
        *(option for name, option in OPTIONS.items() if name in PREFLIGHT),
    ]
)
def preflight(**given: Any) -> None:
    """A planned broadcast, checked before it is sent."""
    from .bench.doubts import of_files
    from .verbs import preflight as verb

    bench = _opened(given | {"exports": filter(None, (given["failed"] or "").split(","))})
    found = verb.preflight(bench.settings, bench.tables)
    reader = bench.reader
    _warn(map(reader.said, loudest_first(of_files(bench.tables))), reader.lang)
    if given["as_json"]:
        return _json(asdict(found))
    _ = reader.gettext
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
        _("Done by"): found.finish and reader.instant(found.finish),
        _("Segments needed"): found.segments,
        _("Segments allowed"): found.segment_limit,
    }
    _list(
        {
            name: reader.lang.number(value) if isinstance(value, int) else value or "—"
            for name, value in lines.items()
        }
    )
    if found.note:
        _say(found.note)


@app.command(
    params=[
        click.Argument(
            ["exports"], help="Exports: files or quoted patterns.", nargs=-1, required=True
        ),
        click.Argument(
            ["out"], help="A new folder for the Parquet files.", type=FOLDER, metavar="DIR"
        ),
        _option("date_format", "Order of ambiguous dates: DMY, MDY or a pattern.", default=""),
        _flag("overwrite", "Replace what is in the folder."),
    ]
)
def convert(exports: tuple[str, ...], out: Path, date_format: str, overwrite: bool) -> None:
    """Exports read once, as Parquet. Every command takes DIR in place of the export."""
    from .verbs.convert import convert as verb

    for found in verb(list(exports), out, date_format, overwrite):
        _say(
            f"{found['rows']:>10,}  {found['kind']}, {found['rejected']:,} rejected,"
            f" {found['files']} files"
        )
    _say(out)


@app.command(
    params=[
        click.Argument(["folder"], help="The ledger folder.", type=FOLDER, metavar="DIR"),
        _option("release", "Give up this run, so that its contacts may be tagged again."),
        _option("reason", "Why it is given up; the ledger keeps it.", default=""),
        _option("speech", "Language of the answer: en or es.", default="en", flags="--language"),
        _option("as_json", "Print the answer as JSON.", flags="--json", is_flag=True),
    ]
)
def ledger(folder: Path, release: str | None, reason: str, speech: str, as_json: bool) -> None:
    """What a ledger holds: broadcasts, runs, contacts, due times. Every file is verified first."""
    from .engine.connect import connect
    from .ledger.ledger import open_ledger

    lang, opened = language(speech), open_ledger(folder, create=False)
    if release:
        opened.release(release, reason, datetime.now(UTC))
    with connect() as engine:
        found = opened.contents(engine.con)
    tables = {
        name: getattr(found, name).to_dict("records") for name in ("broadcasts", "runs", "released")
    }
    files = opened.verify()
    if as_json:
        return _json({"workspace": found.workspace, "files": files, **tables})
    _ = lang.gettext
    _list({_("Workspace"): found.workspace or "—", _("Files, as they were written"): files})
    heads = (_("Broadcasts"), _("Runs"), _("Given up"))
    for head, rows in zip(heads, tables.values(), strict=True):
        if rows:
            _say(head)
        for entry in rows:
            _say(
                "  ".join([f"{lang.number(int(entry.pop('contacts'))):>10}", *_cells(entry, lang)])
            )


def _cells(entry: dict, lang: Language) -> list[str]:
    """The values of a row of a ledger, times in words."""
    times = (entry.pop(name, None) for name in ("due_from", "due_to"))
    due = [f"{lang.datetime(at)} UTC" for at in times if at is not None and at == at]
    return [
        *(v for v in entry.values() if isinstance(v, str) and v),
        *([lang.gettext("due {span}", span=" – ".join(dict.fromkeys(due)))] * bool(due)),
    ]


@app.command(
    params=[
        click.Argument(["text"], help="The error text, as the export gives it."),
        _option("kind", "Channel kind, such as whatsapp, telegram or sms."),
        _option("provider", "Who says it, such as twilio or vonage: codes are a provider's own."),
        _option("rules", "Your own rules file (TOML).", type=FOLDER),
        _flag("why", "Show which codes, words and rules decided, the deciding first."),
        _option("speech", "Language of the answer: en or es.", default="en", flags="--language"),
        _option("as_json", "Print the answer as JSON.", flags="--json", is_flag=True),
    ]
)
def explain(
    text: str,
    kind: str | None,
    provider: str | None,
    rules: Path | None,
    why: bool,
    speech: str,
    as_json: bool,
) -> None:
    """One error, explained. Its cause, verdict, how long to wait, what to fix, and the source."""
    from . import errors

    lang = language(speech)
    if kind and not errors.canonical_kind(kind):
        from .limits.channels import find_kind, kinds

        if not find_kind(kind):
            raise ParameterError(
                "'{kind}' is no channel kind.{hint} Known: {known}.",
                "kind",
                kind=kind,
                hint=did_you_mean(kind, kinds()),
                known=", ".join(kinds()),
            )
    known = errors.load_rules(rules)
    if provider and not errors.canonical_provider(provider) and not errors.canonical_kind(provider):
        raise ParameterError(
            "'{provider}' is no provider whose codes are known.{hint} Known: {known}.",
            "provider",
            provider=provider,
            hint=did_you_mean(provider, errors.FORMS),
            known=", ".join(sorted(errors.FORMS)),
        )
    found = errors.explain(text, kind, known, lang.code, provider)
    reasons = errors.reasons(text, kind, known, provider) if why else []
    if as_json:
        seconds = found.wait.total_seconds() if found.wait is not None else None
        return _json(asdict(found) | {"wait": seconds} | ({"why": reasons} if why else {}))
    _ = lang.gettext
    wait = f" ({lang.duration(found.wait)})" if found.wait else ""
    _list(
        {
            _("Meaning"): found.title,
            _("Verdict"): verdict_name(found.verdict, lang) + wait,
            _("What to do"): found.fix,
            _("Cause"): f"{cause_name(found.cause, lang)} ({found.cause})",
            _("Rule"): found.rule or _("no rule knows this text"),
            _("Read from"): confidence_name(found.confidence, lang) if found.confidence else "—",
            _("Source"): found.source or "—",
        }
    )
    for how, said, rule in reasons:
        _say(f"  {confidence_name(how, lang)}: {said} → {rule}")


@app.command(
    params=[
        click.Argument(
            ["file"],
            help="The batch file (TOML): entries, their notebooks and parameters.",
            type=FOLDER,
        ),
        _option("jobs", "How many entries run at once.", type=click.IntRange(1), default=2),
        _option(
            "out",
            "Folder for the reports and the index page.",
            type=FOLDER,
            default=Path("results/batch"),
        ),
        _flag("resume", "Skip what is finished with the same files and parameters."),
        _option("as_json", "Print batch.json.", flags="--json", is_flag=True),
    ]
)
def batch(file: Path, jobs: int, out: Path, resume: bool, as_json: bool) -> None:
    """Many runs, one index page. Each entry of a batch file, a few at once."""
    from .batch import index
    from .batch.batch import run

    content = run(file, out, jobs, resume)
    if as_json:
        _json(content)
    lang = language(content["language"])
    if absent := index.absent(content["entries"], lang):
        _say(absent, err=True)
    if failed := [row for row in content["entries"] if row["this_batch"] == "failed"]:
        done = sum(row["this_batch"] != "absent" for row in content["entries"])
        _, names = lang.gettext, ("workspace", "name", "message")
        _say(
            lang.ngettext(
                "{n} of {all} reports failed.",
                "{n} of {all} reports failed.",
                len(failed),
                all=lang.number(done),
            ),
            err=True,
        )
        rows = [[row[name] for name in names] for row in failed]
        _table((_("Workspace"), _("Entry"), _("Why it failed")), rows, err=True)
    if not as_json:
        _say(out / "index.html")
    sys.exit(bool(failed))


@app.command(
    params=[
        click.Argument(["folder"], help="Where to put them.", type=FOLDER, metavar="DIR"),
        _flag("overwrite", "Replace notebooks of the same names that are in the folder."),
    ]
)
def notebooks(folder: Path, overwrite: bool) -> None:
    """Copies of the notebooks, to run and to change."""
    for copy in share.put(folder, overwrite):
        _say(copy)


PAGE = [
    click.Argument(
        ["folder"],
        help="Where it starts.",
        type=click.Path(exists=True, file_okay=False),
        default=".",
        metavar="[DIR]",
    ),
    _option("port", "The port of this computer on which it answers.", type=click.IntRange(1)),
    _option("browser", "Open it in a browser.", flags="--browser/--no-browser", default=True),
]


@app.command(params=PAGE)
def lab(folder: str, port: int | None, browser: bool) -> None:
    """JupyterLab over the notebooks, which are copied to DIR/notebooks where there are none."""
    words = [
        "--LabApp.default_url=/lab/tree/{notebook}",
        "--ServerApp.root_dir=.",
        "--ServerApp.ip=127.0.0.1",
        "--allow-root",
    ]
    _serve("jupyterlab", words, folder, port, browser)


@app.command(name="app", params=PAGE)
def page(folder: str, port: int | None, browser: bool) -> None:
    """The explorer as a page of its own, without JupyterLab, for this computer only."""
    _serve("voila", ["{notebook}", "--Voila.ip=127.0.0.1"], folder, port, browser)


def _at_hand(folder: str, module: str) -> Path:
    """Go to a folder, and return the explorer's notebook in it, put there where it is not."""
    if not find_spec(module):
        raise share.lacking(module)
    os.chdir(folder)
    for notebook in (Path("explore.ipynb"), Path("notebooks", "explore.ipynb")):
        if notebook.is_file():
            return notebook
    share.put(notebook.parent)
    _say(f"{notebook.parent}{os.sep}", err=True)
    return notebook


def _serve(module: str, words: list[str], folder: str, port: int | None, browser: bool) -> None:
    """Run a server of the extra in this process, with the explorer's notebook of a folder; no
    module of the current folder is imported.
    """
    from .report.reports import safe_path

    notebook = _at_hand(folder, module).as_posix()
    os.environ.update(safe_path())
    sys.argv = [
        module,
        *(word.format(notebook=notebook) for word in words),
        *([f"--port={port}"] if port else []),
        *([] if browser else ["--no-browser"]),
    ]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit status 2."""
    try:
        app(prog_name="rebroadcast")
    except RebroadcastError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()

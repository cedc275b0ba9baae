"""What every report has: headings, the status strip, rows that could not be read, how it was made."""

from IPython.display import HTML, Markdown
from markupsafe import Markup

from .. import __version__
from ..bench.warnings import warnings
from ..bench.workbench import Workbench
from ..common.lazy import pd
from ..show.parts import html, p, strip, table
from ..show.words import reason_name


def heading(bench: Workbench, name: str) -> Markdown | None:
    """The heading of a part of the report, which the table of contents lists; none for a part that
    would be empty.
    """
    _ = bench.lang.gettext
    if (name == "compare" and not bench.text("compare")) or (
        name == "rejected" and bench.export.rejected.empty
    ):
        return None
    text = {
        "why": _("Why"),
        "where": _("Where"),
        "when": _("When"),
        "limit": _("Against the limit"),
        "again": _("Who can be reached again"),
        "unknown": _("Errors that no rule knows"),
        "compare": _("Against an earlier run"),
        "rows": _("What became of each row"),
        "steps": _("Next steps on the platform"),
        "rejected": _("Rows that could not be read"),
        "load": _("How full the limits were"),
        "sources": _("What this rests on"),
        "plan": _("When to send to whom"),
        "what_if": _("What if"),
        "fix": _("What to fix first"),
        "waves": _("Wave by wave"),
        "history": _("Over time"),
        "made": _("How this was made"),
    }[name]
    return Markdown(f"## {text}")


def status(bench: Workbench) -> Markup:
    """Period, channels, freshness, rows read and rejected, warnings, time zone."""
    _, lang, failed = bench.lang.gettext, bench.lang, bench.failed
    seen = (
        failed.aggregate(
            first=failed.local_at.min(),
            last=failed.local_at.max(),
            channels=failed.channel_id.nunique(),
            contacts=failed.contact_id.nunique(),
        )
        .execute()
        .iloc[0]
    )
    dated = pd.notna(seen["first"])
    read, rejected, warned = (
        lang.number(bench.export.rows),
        len(bench.export.rejected),
        len(warnings(bench)),
    )
    if bench.repeats:
        read = _(
            "{rows}, {repeats} of them repeated", rows=read, repeats=lang.number(bench.repeats)
        )
    return strip(
        [
            (
                _("Period"),
                lang.period(seen["first"], seen["last"]) if dated else _("the export has no dates"),
                not dated,
            ),
            (_("Newest failure"), lang.datetime(seen["last"]) if dated else "—", False),
            (_("Channels"), lang.number(int(seen["channels"])), False),
            (_("Contacts"), lang.number(int(seen["contacts"])), False),
            (_("Rows read"), read, False),
            (_("Rows rejected"), lang.number(rejected), rejected > 0),
            (_("Warnings"), lang.number(warned), warned > 0),
            (
                _("Time zone"),
                zone_name(bench),
                not (bench.text("timezone") or bench.channels.timezone),
            ),
        ]
    )


def zone_name(bench: Workbench) -> str:
    """The time zone of a workbench's times, and whether it was only assumed."""
    zone, given = bench.lang.zone(bench.timezone), bench.text("timezone") or bench.channels.timezone
    return zone if given else bench.lang.gettext("{zone} (assumed: none was given)", zone=zone)


def provenance(bench: Workbench) -> HTML:
    """How the report was made: parameters, rules and overrides, files with SHA-256, versions."""
    _, lang = bench.lang.gettext, bench.lang
    given = [
        [k.strip("_"), ", ".join(map(str, v)) if isinstance(v, list) else str(v)]
        for k, v in bench.stated.items()
        if k != "out"
    ]
    read = [
        [kind, s.name, lang.number(s.size), s.sha256]
        for kind, sources in bench.sources.items()
        for s in sources
    ]
    parts = [table(given, [_("Parameter"), _("Value")])]
    parts.append(table(read, [_("Read as"), _("File"), _("Bytes"), "SHA-256"], numbers=(2,)))
    if bench.rules.overrides:
        replaced = [[ours, theirs or _("a new rule")] for ours, theirs in bench.rules.overrides]
        parts.append(table(replaced, [_("Your rule"), _("Goes before")]))
    return html(*parts, p(_("rebroadcast {version}.", version=__version__), "fine"))


def rejected(bench: Workbench) -> HTML | None:
    """The rows that could not be read, by reason, with their lines."""
    _, lang, frame = bench.lang.gettext, bench.lang, bench.export.rejected
    if frame.empty:
        return None
    groups = frame.groupby(["file", "reason"], sort=True)["line"]
    rows = [
        [
            file,
            reason_name(reason, lang),
            lang.number(len(lines)),
            ", ".join([*map(str, lines.head(10)), *["…"] * (len(lines) > 10)]),
        ]
        for (file, reason), lines in groups
    ]
    return html(table(rows, [_("File"), _("Reason"), _("Rows"), _("Lines")], numbers=(2,)))

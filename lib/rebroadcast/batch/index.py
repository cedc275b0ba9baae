"""The index page of a batch: what failed, and each entry's latest and last good run. One file, no
script, no request.
"""

from datetime import datetime
from pathlib import Path

from ..common.exceptions import visible
from ..common.language import Language, language
from ..report.page import STYLE, template

BARS = 14  # runs in a trend


def page(content: dict) -> str:
    """Return the HTML of a batch, given the content of its batch.json; links are relative to its
    folder.
    """
    lang = language(content["language"])
    rows = [_row(entry, lang) for entry in content["entries"]]
    groups: dict[str, list] = {}
    for row in rows:
        groups.setdefault(row["workspace"], []).append(row)
    count = {
        s: sum(r["this_batch"] == s for r in rows) for s in ("ok", "failed", "skipped", "waiting")
    }
    started, written, zone = (
        content["started"],
        content["written"],
        f"{datetime.now().astimezone():%Z}",
    )
    took = datetime.fromisoformat(written) - datetime.fromisoformat(started)
    _ = lang.gettext
    words = {
        "title": _("Batch of {time}", time=f"{_time(started, lang)} {zone}"),
        "written": _(
            "Written {time} by rebroadcast {version}; the same as data: {link}",
            time=f"{_time(written, lang)} {zone}",
            version=content["version"],
            link="batch.json",
        ),
        "skip": _("Skip to the entries"),
        "workspaces": _("Workspaces"),
        "without": _("Without a workspace"),
        "entries": _("Entries"),
        "done": _("Reports done"),
        "failed": _("Reports that failed"),
        "skipped": _("Unchanged, not run again"),
        "took": _("Time taken"),
        "what": _("What failed"),
        "notebook": _("The notebook as far as it came"),
        "entry": _("Entry"),
        "this_batch": _("This batch"),
        "attempted": _("Attempted"),
        "failed_messages": _("Failed messages"),
        "recoverable": _("Can be reached again"),
        "trend": _("Trend"),
        "latest": _("Latest run"),
        "last_good": _("Last good run"),
        "same": _("the latest"),
        "none": _("no run yet"),
        "legend": _(
            "Figures are those of the last good run. Each bar is one run, the darkest the latest:"
            " its failed messages, or whom it found to reach again; a cross is a run that failed."
        ),
    }
    given = {
        "lang": lang,
        "words": words,
        "groups": list(groups.items()),
        "failed": [r for r in rows if r["this_batch"] == "failed"],
        "absent": absent(rows, lang),
        "count": count,
        "headline": _headline(count, content["finished"], lang),
        "css": STYLE.read_text("utf-8"),
        "took": lang.duration(took, rough=took.seconds >= 120),
    }
    return visible(template(Path(__file__).with_name("index.html.j2")).render(given))


def absent(rows: list[dict], lang: Language) -> str:
    """Say which entries of earlier batches this one did not have; nothing where it had all."""
    gone = [row for row in rows if row["this_batch"] == "absent"]
    if not gone:
        return ""
    return lang.ngettext(
        "{n} entry of earlier batches is not in this one: {names}. Is its export missing? If it is"
        " not wanted any more, remove its folder.",
        "{n} entries of earlier batches are not in this one: {names}. Are their exports missing? If"
        " they are not wanted any more, remove their folders.",
        len(gone),
        names=", ".join(": ".join(filter(None, (r["workspace"], r["name"]))) for r in gone),
    )


def _headline(count: dict[str, int], finished: str | None, lang: Language) -> str:
    _, n, total = lang.gettext, lang.ngettext, sum(count.values())
    if finished is None:
        text = _(
            "Not finished: {done} of {all} entries are done.",
            done=lang.number(total - count["waiting"]),
            all=lang.number(total),
        )
        return (
            text
            if not count["failed"]
            else f"{text} " + n("{n} failed.", "{n} failed.", count["failed"])
        )
    if count["failed"]:
        return n(
            "{n} of {all} reports failed.",
            "{n} of {all} reports failed.",
            count["failed"],
            all=lang.number(total),
        )
    return n("The report is up to date.", "All {n} reports are up to date.", total)


def _row(entry: dict, lang: Language) -> dict:
    """What the page shows of one entry: states in words, times, figures of the last good run, its
    trend.
    """
    _, latest, last_good = lang.gettext, entry["latest"], entry["last_good"]
    states = {
        "ok": _("done"),
        "failed": _("has failed"),
        "skipped": _("unchanged"),
        "waiting": _("not run yet"),
        "absent": _("not in this batch"),
    }
    warnings = len((latest or {}).get("warnings") or ()) if entry["this_batch"] == "ok" else 0
    totals = last_good["totals"] or {} if last_good else {}
    return entry | {
        "state": states[entry["this_batch"]],
        "warnings": lang.ngettext("{n} warning", "{n} warnings", warnings) if warnings else "",
        "latest": latest and latest | {"at": _time(latest["started"], lang)},
        "last_good": (
            last_good
            and last_good | {"at": _time(last_good["started"], lang), "same": last_good == latest}
        ),
        "figures": [
            lang.number(totals[name]) if name in totals else ""
            for name in ("attempted", "failed", "recoverable")
        ],
        "trend": _trend(entry["runs"][-BARS:], lang),
    }


def _trend(runs: list[dict], lang: Language) -> dict | None:
    """Bars of the failed messages (else of whom can be reached again), run by run, up to 24 high; a
    failed run has none.
    """
    _, name = (
        lang.gettext,
        ("failed" if any("failed" in (run["totals"] or {}) for run in runs) else "recoverable"),
    )
    values = [(run["totals"] or {}).get(name) if run["status"] == "ok" else None for run in runs]
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return None
    words = ", ".join(_("run failed") if v is None else lang.number(v) for v in values)
    labels = {
        "failed": _("Failed messages, run by run: {values}", values=words),
        "recoverable": _("Can be reached again, run by run: {values}", values=words),
    }
    return {
        "bars": [None if v is None else max(1, round(24 * v / max(*known, 1))) for v in values],
        "label": labels[name],
    }


def _time(text: str | None, lang: Language) -> str:
    """An instant as the wall clock of this computer shows it."""
    return lang.datetime(datetime.fromisoformat(text).astimezone()) if text else "—"

"""Read → classify → count → dispositions → import files, with this library."""

import sys

from rebroadcast.bench import workbench
from rebroadcast.verbs import recover, summarise

path, out = sys.argv[1:]
bench = workbench.open(
    {"exports": path, "tag": "failed {date:%d%m%y} {channel}", "timezone": "UTC", "out": out}
)
counts, channels = summarise.tally(bench.tables.failed), bench.settings.channels
bench.results.table(summarise.summed(counts, "cause", "verdict"), "by-cause")
bench.results.table(summarise.error_by_channel(counts, channels), "error-by-channel")
bench.results.table(summarise.by_time(bench.tables)[0], "by-hour")
bench.finish(recover.recover(bench.settings, bench.tables, bench.results))

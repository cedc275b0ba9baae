"""Read → classify → count → dispositions → import files, with this library."""

import sys

from rebroadcast.bench import workbench
from rebroadcast.verbs import recover as recovering
from rebroadcast.verbs import summarise as summaries

path, out = sys.argv[1:]
bench = workbench.open(
    {"exports": path, "tag": "failed {date:%d%m%y}", "timezone": "UTC", "out": out}
)
bench.table(summaries.by_cause(bench.failed), "by-cause")
bench.table(summaries.error_by_channel(bench.failed, bench.channels), "error-by-channel")
bench.table(summaries.by_time(bench.failed)[0], "by-hour")
recovering.recover(bench)
bench.finish()

#!/bin/sh
# Plain papermill, one run per export of a folder: papermill.sh INBOX OUT. Each run's results are in OUT/NAME, with its run.json;
# parameters that all runs share are in a YAML file, as papermill reads it (-f). The status is 1 if any run failed.
inbox=${1:?the folder of the exports} out=${2:?a folder for the results} here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out" || exit 2
status=0
for export in "$inbox"/failed_messages*.csv; do
  name=$(basename "$export" .csv)
  PYTHONSAFEPATH=1 papermill "$here/../notebooks/failure_report.ipynb" "$out/$name.ipynb" --no-progress-bar -f "$here/parameters.yaml" \
    -r exports "$export" -r channels "$inbox/channels.toml" -r out "$out/$name" || status=1
done
exit $status

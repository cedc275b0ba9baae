"""Airflow: each night two notebooks of this repository through the PapermillOperator.

Needs apache-airflow-providers-papermill, and rebroadcast installed for the kernel. The notebook
checks its parameters, and writes its results to `out` whole or not at all; `output_nb` is Airflow's
own copy of the executed notebook.
"""

import os
from datetime import datetime

from airflow import DAG
from airflow.providers.papermill.operators.papermill import PapermillOperator

HOME = os.environ.get("REBROADCAST_HOME", "/srv/rebroadcast")
INBOX = os.environ.get("INBOX", "/srv/exports")
REPORTS = os.environ.get("REPORTS", "/srv/reports")
COMMON = {
    "exports": f"{INBOX}/failed_messages.csv",
    "channels": f"{INBOX}/channels.toml",
    "channel": "1001",
}

with DAG(
    "rebroadcast",
    schedule="5 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 1},
):
    for notebook, more in {
        "failure_report": {},
        "tag_import": {"tag": "failed broadcast {{ ds_nodash }}"},
    }.items():
        PapermillOperator(
            task_id=notebook,
            input_nb=f"{HOME}/notebooks/{notebook}.ipynb",
            output_nb=f"{REPORTS}/{notebook}-{{{{ ts_nodash }}}}.ipynb",
            parameters=COMMON | more | {"out": f"{REPORTS}/{notebook}-{{{{ ts_nodash }}}}"},
            kernel_name="python3",
        )

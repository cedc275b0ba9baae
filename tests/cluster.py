"""A real Spark cluster on this machine, from the PyPI package: a master, and workers with one core
each.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = """
spark.executor.memory {memory}m
spark.executor.cores 1
spark.sql.shuffle.partitions 2
spark.driver.host 127.0.0.1
{options}
"""


@contextmanager
def started(
    folder: Path, workers: int = 2, memory: int = 512, options: str = ""
) -> Iterator[tuple[str, list]]:
    """Give the master's address and the workers' processes; all of them end with the block."""
    import pyspark

    (folder / "spark-defaults.conf").write_text(CONFIG.format(memory=memory, options=options))
    own = {
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "SPARK_LOCAL_DIRS": str(folder / "local"),
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, processes = f"spark://127.0.0.1:{port}", []

    def start(role: str, *more: object) -> None:
        name = f"org.apache.spark.deploy.{role.lower()}.{role}"
        program = Path(pyspark.__file__).parent / "bin" / "spark-class"
        command = [program, name, "--host", "127.0.0.1", "--webui-port", 0, *more]
        with (folder / f"{role}-{len(processes)}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    list(map(str, command)), stdout=log, stderr=log, start_new_session=True
                )
            )

    try:
        start("Master", "--port", port)
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        for _ in range(workers):
            start("Worker", "--cores", 1, "--memory", f"{memory + 100}m", url)
        yield url, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})

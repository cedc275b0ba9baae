"""Kernels that start at once: one process has imported what notebooks import, and each kernel is a
fork of it. A kernel of its own costs three seconds of processor time, and the tests run hundreds.

`python warm.py SOCKET -f FILE` is what Jupyter takes for the kernel with that connection file: it
lives as long as the fork does, and the fork as long as it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

INTERRUPT = b"i"


@contextmanager
def started(folder: Path):
    """The JUPYTER_PATH under which `python3` is such a kernel, while the block lasts."""
    address, spec = str(folder / "warm"), folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    words = [sys.executable, "-I", __file__, address, "-f", "{connection_file}"]
    kernel = {"argv": words, "language": "python", "display_name": "Python 3"}
    (spec / "kernel.json").write_text(json.dumps(kernel))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        server = subprocess.Popen(
            [sys.executable, "-P", __file__, str(listening.fileno())], pass_fds=[listening.fileno()]
        )
    try:
        yield folder
    finally:
        server.kill()
        server.wait()


def serve(listening: socket.socket) -> None:
    """Fork a kernel for each that asks; import when the first does."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asking, _ = listening.accept()
        import ibis.backends.duckdb  # noqa: F401
        import ipykernel.kernelapp  # noqa: F401
        import plotly.graph_objects  # noqa: F401

        import rebroadcast.bench.workbench
        import rebroadcast.report.failure_report
        import rebroadcast.report.quota_overflow
        import rebroadcast.report.recovery_check
        import rebroadcast.report.tag_import  # noqa: F401

        if not os.fork():
            listening.close()
            become(asking)
        asking.close()


def become(asking: socket.socket) -> None:
    """Be the kernel that was asked for: its streams, folder, environment and connection file."""
    import random
    import tempfile
    import threading
    import time

    from ipykernel.kernelapp import launch_new_instance

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, *_ = socket.recv_fds(asking, 1 << 20, 3)
    told = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.setsid()
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environ"])
    os.environ.pop("JPY_PARENT_PID", None)  # its parent is another
    time.tzset()
    random.seed()
    tempfile.tempdir = None
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [place for place in places if place and place not in sys.path]

    def follow() -> None:
        while asking.recv(1) == INTERRUPT:
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()
    sys.argv = ["ipykernel", *told["words"]]
    launch_new_instance()
    os._exit(0)


def ask(address: str, words: list[str]) -> None:
    """Ask for a kernel, and live as long as it does; end where whoever started this has ended."""
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(address)
        told = {"folder": os.getcwd(), "environ": dict(os.environ), "words": words}
        socket.send_fds(asked, [json.dumps(told).encode()], [0, 1, 2])
        signal.signal(signal.SIGINT, lambda *_: _send(asked, INTERRUPT))
        asked.settimeout(0.5)
        while os.getppid() == parent:
            try:
                if not asked.recv(1):
                    return
            except TimeoutError:
                pass
            except OSError:  # the fork was killed
                return


def _send(asked: socket.socket, word: bytes) -> None:
    with suppress(OSError):  # the fork has ended
        asked.send(word)


if __name__ == "__main__":
    place, *words = sys.argv[1:]
    ask(place, words) if words else serve(socket.socket(fileno=int(place)))

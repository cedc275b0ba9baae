"""A kernel that is ready at once: forked from a process that has loaded everything, where the
system can.
"""

import asyncio
import multiprocessing
import os
from importlib import import_module

from ipykernel import kernelapp
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets.config import Config

from ..report import page

for name in (
    "nbclient.exceptions",
    "nbformat",
    "papermill",
    "mistune",
    "pytz",
    "ibis",
    "plotly.io",
    "IPython.core.completerlib",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "rebroadcast.show.failures",
    "rebroadcast.verbs.check",
    "rebroadcast.report.quota_overflow",
    "rebroadcast.report.tag_import",
    "rebroadcast.report.reports",
):
    import_module(name)
BACKEND = import_module(
    "ibis"
).duckdb  # loads it; connecting would start threads, which a fork does not copy
page._plotly()  # packed once, for all reports


class Process(multiprocessing.get_context("fork").Process):
    """A forked kernel, with the part of subprocess.Popen that jupyter_client uses."""

    stdin = stdout = stderr = None

    def __init__(self, words, env, cwd):
        super().__init__(name="kernel")
        self.words, self.env, self.folder = words, env, cwd

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self.env)
        if self.folder:
            os.chdir(self.folder)
        asyncio.set_event_loop(asyncio.new_event_loop())
        parent = f"--IPKernelApp.parent_handle={os.getppid()}"
        kernelapp.launch_new_instance(
            [*self.words, parent, "--log-level=50"]
        )  # it would tell of each interrupt

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class Provisioner(LocalProvisioner):
    """Launches a kernel by forking this process."""

    async def launch_kernel(self, cmd, **options):
        self.process = Process(cmd[cmd.index("-f") :], options["env"], options.get("cwd"))
        self.process.start()
        self.pid, self.pgid = self.process.pid, None
        return self.connection_info


class Manager(AsyncKernelManager):
    """Starts kernels with the Provisioner; nbclient takes it as its `kernel_manager_class`."""

    async def _async_pre_start_kernel(self, **options):
        self.provisioner = Provisioner(
            parent=self, kernel_id=self.kernel_id, kernel_spec=self.kernel_spec
        )
        return await super()._async_pre_start_kernel(**options)


def options(scratch: str) -> dict:
    """What papermill is to be told: the Manager, and sockets in a private folder, where no other
    kernel takes them.
    """
    ip = f"{scratch}/k{os.getpid()}"
    sockets = (
        {"transport": "ipc", "ip": ip} if len(ip) < 90 else {"transport_encryption": "auto"}
    )  # the system's limit is 107
    return {"kernel_manager_class": Manager, "config": Config({"KernelManager": sockets})}

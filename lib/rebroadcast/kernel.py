"""A kernel that is ready at once: forked from a process that has loaded everything, where the system can."""

import asyncio
import multiprocessing
import os
import sys

import ibis
import ipykernel.ipkernel
import ipykernel.kernelapp
import ipykernel.zmqshell
import IPython.core.completerlib
import papermill
import plotly.io
import pytz
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from . import charts, check, html, limit_sections, recovery_sections, reports, sections, workbench  # noqa: F401

ibis.duckdb  # noqa: B018 - loads the backend; connecting would start threads, which a fork does not copy


class Process(multiprocessing.get_context("fork").Process):
    """A forked kernel, with the part of subprocess.Popen that jupyter_client uses."""

    stdin = stdout = stderr = None

    def __init__(self, words, env, cwd):
        super().__init__(name="kernel")
        self.words, self.env, self.folder = words, env, cwd

    def run(self) -> None:
        os.setsid()
        os.environ.clear()
        os.environ.update(self.env)
        if self.folder:
            os.chdir(self.folder)
        asyncio.set_event_loop(asyncio.new_event_loop())
        ipykernel.kernelapp.launch_new_instance([*self.words, f"--IPKernelApp.parent_handle={os.getppid()}"])

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
        words = cmd[cmd.index("-f") :]
        self.process = Process(words, options["env"], options.get("cwd"))
        self.process.start()
        self.pid, self.pgid = self.process.pid, None
        return self.connection_info


class Manager(AsyncKernelManager):
    """Starts kernels with the Provisioner; nbclient takes it as its `kernel_manager_class`."""

    async def _async_pre_start_kernel(self, **options):
        self.provisioner = Provisioner(parent=self, kernel_id=self.kernel_id, kernel_spec=self.kernel_spec)
        return await super()._async_pre_start_kernel(**options)

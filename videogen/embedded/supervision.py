"""Supervisor: its configuration, and the calls that start and stop what it watches."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from videogen.embedded import leftovers
from videogen.embedded.faults import StartFailed
from videogen.embedded.processes import Program

_PATIENCE: Final = 10.0


@dataclass(slots=True)
class Supervisor:
    """One supervisor daemon: the parent of every process of the stack."""

    data_dir: Path
    runtime_dir: Path
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Give the unix socket on which it takes calls."""
        return self.runtime_dir / "s.sock"

    def start(self, programs: Sequence[Program], *, environment: Mapping[str, str]) -> None:
        """Start the daemon; programs that start by themselves follow at once."""
        config = self.data_dir / "run" / "supervisord.conf"
        config.write_text(self._config(programs))
        config.chmod(0o600)
        self.socket.unlink(missing_ok=True)
        self.daemon = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(config)],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.data_dir / "log" / "supervisord.err").open("wb"),
            # Ctrl-C reaches the parent only; it stops everything in order.
            start_new_session=True,
        )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, Fault):
                self._calls.supervisor.getState()
                return
            if self.daemon.poll() is not None:
                break
            time.sleep(0.05)
        raise StartFailed(
            "The supervisor did not start. The reason is in "
            f"{self.data_dir / 'log' / 'supervisord.err'}."
        )

    def start_programs(self, names: Sequence[str]) -> None:
        """Start programs side by side, without waiting for them."""
        for name in names:
            try:
                self._calls.supervisor.startProcess(name, False)  # noqa: FBT003 - XML-RPC is positional
            except (OSError, HTTPException, Fault) as error:
                raise StartFailed(f"{name} could not be started: {error}.") from None

    def halt(self, name: str) -> None:
        """End a program, by force where its patience runs out. Raises OSError, HTTPException or Fault."""
        self._calls.supervisor.stopProcess(name)

    def restart(self, name: str) -> None:
        """End a program, by force where its patience runs out, and start it again. One that is gone stays so."""
        with contextlib.suppress(OSError, HTTPException, Fault):
            self.halt(name)
            self._calls.supervisor.startProcess(name, False)  # noqa: FBT003 - XML-RPC is positional

    def states(self) -> dict[str, str]:
        """Give the state of every program, such as RUNNING or FATAL; nothing while it cannot answer."""
        try:
            found: Any = self._calls.supervisor.getAllProcessInfo()
        except (OSError, HTTPException, Fault):
            return {}
        return {info["name"]: info["statename"] for info in found}

    def pid_of(self, name: str) -> int:
        """Give the process id of a program; 0 when it does not run."""
        info: Any = self._calls.supervisor.getProcessInfo(name)
        return int(info["pid"])

    def is_alive(self) -> bool:
        """Say whether the daemon runs."""
        return self.daemon is not None and self.daemon.poll() is None

    def stop(self, *, patience: float) -> None:
        """Stop everything in reverse order of starting; end by force what outlives `patience`."""
        if self.daemon is None:
            return
        if self.is_alive():
            self.daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.daemon.wait(patience)
        leftovers.end(leftovers.of_stack(str(self.data_dir)))
        if self.is_alive():
            self.daemon.kill()
        self.daemon.wait()
        self.socket.unlink(missing_ok=True)

    @property
    def _calls(self) -> ServerProxy:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        return ServerProxy("http://127.0.0.1", transport=transport)

    def _config(self, programs: Sequence[Program]) -> str:
        run, log = self.data_dir / "run", self.data_dir / "log"
        user = "user=root\n" if os.geteuid() == 0 else ""
        text = (
            f"[supervisord]\nnodaemon=true\nlogfile={_plain(log / 'supervisord.log')}\n"
            f"logfile_maxbytes=1MB\nlogfile_backups=1\nloglevel=warn\n"
            f"pidfile={_plain(run / 'supervisord.pid')}\nchildlogdir={_plain(log)}\n{user}"
            f"[unix_http_server]\nfile={_plain(self.socket)}\nchmod=0700\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory="
            "supervisor.rpcinterface:make_main_rpcinterface\n"
        )
        return text + "".join(self._program(program) for program in programs)

    def _program(self, program: Program) -> str:
        ready = self.data_dir / "run" / f"{program.name}.ready"
        environment = {
            **program.environment,
            "PROCESS_NAME": program.name,
            "READY_FILE": str(ready),
        }
        shown = ",".join(f'{key}="{_plain(value)}"' for key, value in environment.items())
        command = " ".join(_quoted(word) for word in program.command)
        user = f"user={program.user}\n" if program.user else ""
        return (
            f"[program:{program.name}]\ncommand={command}\npriority={program.priority}\n"
            f"autostart={str(program.starts_by_itself).lower()}\nautorestart=true\n"
            f"startsecs=1\nstartretries=5\nstopsignal={program.stop_signal}\n"
            f"stopwaitsecs={program.patience}\nkillasgroup=true\n{user}"
            f"environment={shown}\nredirect_stderr=true\n"
            f"stdout_logfile={_plain(self.data_dir / 'log' / f'{program.name}.log')}\n"
            "stdout_logfile_maxbytes=10MB\nstdout_logfile_backups=1\n"
        )


def _plain(value: object) -> str:
    """Escape what supervisor would expand."""
    return str(value).replace("%", "%%")


def _quoted(word: str) -> str:
    text = word if "%%" in word else word.replace("%", "%%")
    return f'"{text}"' if " " in text else text

"""A real Prometheus beside a stack: it scrapes every two seconds and decides which alerts fire."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from proofs.alerts import rules
from videogen.embedded import places

# A busy machine that does not answer in time would begin every `for:` anew.
_SCRAPED_EVERY: Final = "2s"
_EVALUATED_EVERY: Final = "500ms"
_PATIENCE: Final = 60.0


class Prometheus:
    """One that runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def firing(self) -> set[str]:
        """Name the alerts that fire now."""
        found = self._asked("alerts")["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}

    def value(self, expression: str) -> float | None:
        """Give the first value of an expression, if it has any."""
        found = self._asked("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    def wait(self, holds: Callable[[set[str]], bool], what: str, *, patience: float) -> float:
        """Wait until the firing alerts are as wished; give the seconds. Raises TimeoutError."""
        began = time.monotonic()
        while not holds(found := self.firing()):
            if time.monotonic() - began > patience:
                raise TimeoutError(
                    f"Not within {patience:g} s: {what}. Firing: {', '.join(sorted(found)) or 'none'}."
                )
            time.sleep(0.2)
        return time.monotonic() - began

    def _asked(self, path: str, **query: str) -> Any:
        with urlopen(f"{self._url}/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]


def is_installed() -> bool:
    """Tell whether there is one on the PATH; bin/test and bin/proof look for it."""
    return shutil.which("prometheus") is not None


@contextmanager
def watching(target: str, *, pace: float | None = None) -> Iterator[Prometheus]:
    """Run one that watches `target`, HOST:PORT, by the rules of deploy/ at a faster clock."""
    with tempfile.TemporaryDirectory(prefix="videogen-prometheus-") as name:
        folder = Path(name)
        rules.write_paced(folder, **({} if pace is None else {"pace": pace}))
        settings = {
            "global": {
                "scrape_interval": _SCRAPED_EVERY,
                "scrape_timeout": _SCRAPED_EVERY,
                "evaluation_interval": _EVALUATED_EVERY,
            },
            "rule_files": [str(folder / "*.rules.yml")],
            "scrape_configs": [{"job_name": "videogen", "static_configs": [{"targets": [target]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        port = next(port for port in range(19_090, 60_000) if places.is_free("127.0.0.1", port))
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [
                    str(shutil.which("prometheus")),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            found = Prometheus(f"http://127.0.0.1:{port}")
            _wait_until_it_watches(found, process, folder / "log")
            yield found
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_it_watches(
    prometheus: Prometheus, process: "subprocess.Popen[bytes]", log: Path
) -> None:
    """Wait for the first scrapes, which come seconds after it says that it is ready."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with suppress(OSError):
            if (prometheus.value("count_over_time(up[1m])") or 0) > 1:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Prometheus does not watch the stack:\n{log.read_text()}")
        time.sleep(0.1)

"""What an operator can set is written down in one place, and reaches the processes of docker-compose.yml."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
_READ: Final = re.compile(r'env\.[a-z]+\(\s*"([A-Z_]+)"')
# Not for operators: what follows from it is unsafe elsewhere than on a developer's machine.
_OF_DEVELOPERS: Final = {"DEVELOPMENT"}
# Made of others; the same in every container, or of the image; not for production; a file of the machine.
_SETTLED: Final = {
    *("DATABASE_URL", "REDIS_URL", "PROCESS_NAME", "READY_FILE", "PROMETHEUS_MULTIPROC_DIR"),
    *("DATA_DIR", "STATIC_ROOT", "WEIGHTS_ROOT", "PUSH_PORT", "PROBED_URLS", "POSTGRES_BIN"),
    *("METRICS_HOST", "METRICS_PORT", "METRICS_OFFERED"),
    *("STAFF_SECOND_FACTOR", "FCM_SERVICE_ACCOUNT_FILE"),
}


def _described() -> set[str]:
    text = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^(?:# )?([A-Z_]+)=", text, re.MULTILINE)) - {"NAME_FILE"}


def test_every_variable_that_the_processes_read_is_described() -> None:
    sources = [*(ROOT / "videogen").glob("*.py"), *(ROOT / "videogen" / "accounts").glob("*.py")]
    read = {name for path in sources for name in _READ.findall(path.read_text())}

    assert len(read) > 50
    assert read - _described() == _OF_DEVELOPERS


def test_every_variable_that_is_described_reaches_the_containers() -> None:
    composed = (ROOT / "docker-compose.yml").read_text()
    passed = set(re.findall(r"\$\{([A-Z_]+)[:}]", composed))

    assert _described() - passed == _SETTLED

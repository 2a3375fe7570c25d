"""How the tests are spread over processes: each has servers of its own, and what shares something stays together.

A file is run by one process, in order. All that uses the running stack is one group: the stack takes long to start,
and its last test looks back on all the others. What takes long begins first, so that none of it is the lonely end.
"""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

# Each process has a PostgreSQL and a Valkey, and the stack is one group: more would gain nothing.
_MOST: Final = 6
_STACK: Final = "stack"


def workers(asked: Iterable[str]) -> int:
    """Say how many processes to use: for named files or tests none beside this one."""
    if all(Path(one.split("::")[0]).is_file() for one in asked):
        return 0
    return min(_MOST, os.cpu_count() or 1)


class ByGroup(LoadScopeScheduling):
    """Hands out files, and all those that use the stack as one."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(self.config.rootpath / nodeid.partition("::")[0])


def arrange(items: list[pytest.Item]) -> None:
    """Put the groups that take long first, in place; pytest-django's order holds within each."""
    groups = {item: _group(item.path) for item in items}
    for item, group in groups.items():
        if "running_stack" in getattr(item, "fixturenames", ()) and group != _STACK:
            raise pytest.UsageError(f"{item.path} uses running_stack; it must name it, too.")
    long = {group for item, group in groups.items() if item.get_closest_marker("long")}
    items.sort(key=lambda item: (groups[item] != _STACK, groups[item] not in long, groups[item]))


@cache
def _group(path: Path) -> str:
    # Who hands the tests out knows no fixtures, only where a test stands.
    return _STACK if "running_stack" in path.read_text() else str(path)

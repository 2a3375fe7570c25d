"""Environments that have one official SDK each, made once and kept in the user's cache folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "videogen" / "sdks"
_PATIENCE = 180
_SHOWN = 300


def python(version: str) -> Path:
    """Give the Python of an environment with this `openai`; skipped, with the reason, where it cannot be had."""
    folder = _CACHE / f"openai-{version}-py{sys.version_info.major}.{sys.version_info.minor}"
    program = folder / "bin" / "python"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _make([sys.executable, "-m", "venv", str(folder)])
        _make([str(program), "-m", "pip", "install", "--quiet", f"openai=={version}"])
        (folder / "whole").touch()
    return program


def node(version: str) -> Path:
    """Give a folder in which `node` finds this `openai`; skipped, with the reason, where it cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("No node and npm on this machine.")
    folder = _CACHE / f"openai-js-{version}"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true}')
        _make(["npm", "install", "--silent", "--prefix", str(folder), f"openai@{version}"])
        (folder / "whole").touch()
    return folder


def _make(command: list[str]) -> None:
    try:
        made = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{command[0]} cannot be used here: {error}")
    if made.returncode:
        last = (made.stderr or made.stdout).strip()[-_SHOWN:]
        pytest.skip(f"The SDK cannot be installed here: {last}")

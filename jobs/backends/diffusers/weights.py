"""Which weights a pool's model has: a folder of this machine, or a repository of the Hugging Face hub.

A pool's `profile` names them: an absolute path, a folder below WEIGHTS_ROOT, or a hub id (owner/name).
A hub id that is too long for it may stand in `url` as the address of the model's page. With neither, the
model's own name is read so, and one pool can have several models.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from django.conf import settings

from jobs.backends.backend import BackendError, Site
from jobs.failures import FailureKind

_PACKAGES: Final = ("torch", "diffusers", "transformers", "accelerate", "safetensors")
_HUB: Final = "https://huggingface.co/"
_INDEX: Final = "model_index.json"


def weights_of(site: Site, model: str) -> str:
    """Give the path or hub id of a model's weights. Raises BackendError."""
    root: Path = settings.WEIGHTS_ROOT
    named = site.profile or site.url.removeprefix(_HUB).strip("/") or model
    folder = root / named
    if (folder / _INDEX).is_file():
        return str(folder)
    if site.profile.startswith("/") or named.count("/") != 1:
        raise BackendError(
            FailureKind.BACKEND_UNAVAILABLE,
            "The model's weights are not on this server.",
            detail=f"There is no {_INDEX} in {folder}.",
        )
    return named


def check_packages() -> None:
    """Raise BackendError where the packages of requirements-gpu.txt are missing; imports none of them."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise BackendError(
            FailureKind.BACKEND_UNAVAILABLE,
            "This server cannot run the model yet: the packages of requirements-gpu.txt are missing.",
            detail=f"Missing: {', '.join(missing)}. Run: pip install -r requirements-gpu.txt",
        )

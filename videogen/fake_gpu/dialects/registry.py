"""The dialects by name, and what each is in one line."""

from collections.abc import Mapping
from typing import Final

from videogen.fake_gpu.dialects import (
    aquiles,
    fal,
    openai,
    replicate,
    rough,
    sglang,
    trtllm_visualgen,
    vllm_omni,
)
from videogen.fake_gpu.dialects.dialect import Dialect

_MODULES: Final = (openai, vllm_omni, sglang, aquiles, trtllm_visualgen, rough, replicate, fal)

DIALECTS: Final[Mapping[str, Dialect]] = {
    module.DIALECT.name: module.DIALECT for module in _MODULES
}
SUMMARIES: Final[Mapping[str, str]] = {
    module.DIALECT.name: (module.__doc__ or "").partition("\n")[0] for module in _MODULES
}

"""The dialects by name."""

from collections.abc import Mapping
from typing import Final

from videogen.fake_gpu.dialects import (
    aquiles,
    fal,
    openai,
    replicate,
    sglang,
    trtllm_visualgen,
    vllm_omni,
)
from videogen.fake_gpu.dialects.dialect import Dialect

DIALECTS: Final[Mapping[str, Dialect]] = {
    module.DIALECT.name: module.DIALECT
    for module in (openai, vllm_omni, sglang, aquiles, trtllm_visualgen, replicate, fal)
}

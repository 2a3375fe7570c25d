"""Whole pipelines of a few thousand random weights, as diffusers' own tests build them.

https://github.com/huggingface/diffusers/tree/main/tests/pipelines; importing this module imports torch.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MotionAdapter,
    UNet2DConditionModel,
    WanPipeline,
    WanTransformer3DModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    T5Config,
    UMT5Config,
    UMT5EncoderModel,
)
from transformers import T5EncoderModel as PlainT5EncoderModel

WORDS = ("<pad>", "</s>", "<unk>", "a", "whale", "sea")


def save(kind: str, folder: Path, **settings: Any) -> Path:
    """Write a pipeline's folder of weights, with the settings that an operator puts beside them."""
    torch.manual_seed(0)
    pipe = {"wan": wan, "ltx": ltx, "animatediff": animatediff}[kind]()
    pipe.save_pretrained(folder)
    (folder / "videogen.json").write_text(json.dumps(settings))
    return folder


def wan() -> Any:
    return WanPipeline(
        transformer=WanTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            text_dim=32,
            ffn_dim=32,
            num_layers=2,
            cross_attn_norm=True,
            rope_max_seq_len=32,
        ),
        vae=AutoencoderKLWan(
            base_dim=3,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=UMT5EncoderModel(UMT5Config(**_T5)),
        tokenizer=_tokenizer(),
    )


def ltx() -> Any:
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        patch_size=1,
        patch_size_t=1,
    )
    return LTXPipeline(
        transformer=LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        ),
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=PlainT5EncoderModel(T5Config(**_T5)),
        tokenizer=_tokenizer(),
    )


def animatediff() -> Any:
    return AnimateDiffPipeline(
        unet=UNet2DConditionModel(
            block_out_channels=(8, 8),
            layers_per_block=2,
            sample_size=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=8,
            norm_num_groups=2,
        ),
        motion_adapter=MotionAdapter(
            block_out_channels=(8, 8), motion_layers_per_block=2, motion_norm_num_groups=2
        ),
        scheduler=DDIMScheduler(clip_sample=False),
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=2,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=32,
                hidden_size=8,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                eos_token_id=1,
                pad_token_id=0,
            )
        ),
        tokenizer=_tokenizer(),
    )


_T5 = {
    "vocab_size": 32,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 37,
    "num_layers": 2,
    "num_heads": 4,
}


def _tokenizer() -> Any:
    words = Tokenizer(
        models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    )

"""Writes a checkpoint as transformers has that of BitNet b1.58-2B-4T: packed matrices in safetensors, and the texts beside them.

`b158 convert` makes a GGUF of it, and `b158 run -m FOLDER` opens it as it is.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

import corpus
from model import load

NAME = "b158 stories"
# As Hugging Face renders BitNet b1.58-2B-4T.
TEMPLATE = "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}"
CARD = f"""---
name: {NAME}
description: Children's stories and short answers. Trained by the b158 project; see its MODEL.md.
license: MIT OR Apache-2.0
---
"""
# A layer's modules, by the names of the GGUF's tensors.
MODULES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_sub_norm": "self_attn.attn_sub_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_sub_norm": "mlp.ffn_sub_norm",
    "ffn_down": "mlp.down_proj",
}


def renamed(name):
    match name.split("."):
        case ["token_embd", "weight"]:
            return "model.embed_tokens.weight"
        case ["output_norm", "weight"]:
            return "model.norm.weight"
        case ["blk", layer, module, "weight"]:
            return f"model.layers.{layer}.{MODULES[module]}.weight"


def ternary(weight):
    """Codes 0, 1, 2 and the scale, as the forward pass quantises."""
    scale = weight.abs().mean().clamp(min=1e-5)
    return ((weight / scale).round().clamp(-1, 1) + 1).to(torch.uint8), scale


def packed(codes):
    """Four quarters of the rows in one byte, the first in the low bits."""
    a, b, c, d = codes.chunk(4)
    return a | b << 2 | c << 4 | d << 6


def tensors(model):
    for name, weight in model.state_dict().items():
        if weight.dim() == 1 or name == "token_embd.weight":
            yield renamed(name), weight.contiguous()
        else:
            codes, scale = ternary(weight)
            yield renamed(name), packed(codes)
            yield f"{renamed(name)}_scale", scale.reshape(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("tokenizer", help="tokenizer.json")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    model = load(options.checkpoint)
    c = model.config
    table = json.loads(Path(options.tokenizer).read_text())
    ids = {token["content"]: token["id"] for token in table["added_tokens"]}

    def write(name, value):
        (options.folder / name).write_text(value if isinstance(value, str) else json.dumps(value, indent=2) + "\n")

    options.folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors(model)), options.folder / "model.safetensors", {"format": "pt"})
    shutil.copyfile(options.tokenizer, options.folder / "tokenizer.json")
    write("README.md", CARD)
    write("config.json", {
        "architectures": ["BitNetForCausalLM"],
        "model_type": "bitnet",
        "vocab_size": c.vocabulary,
        "hidden_size": c.embedding,
        "intermediate_size": c.feed_forward,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads,
        "max_position_embeddings": c.context,
        "hidden_act": "relu2",
        "rms_norm_eps": c.epsilon,
        "rope_theta": c.rope_base,
        "tie_word_embeddings": True,
        "bos_token_id": ids[corpus.BOS],
        "eos_token_id": ids[corpus.EOS],
        "torch_dtype": "float32",
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "offline",
            "modules_to_not_convert": ["lm_head"],
        },
    })
    write("generation_config.json", {"bos_token_id": ids[corpus.BOS], "eos_token_id": [ids[corpus.EOS], ids[corpus.EOT]]})
    write("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": corpus.BOS,
        "eos_token": corpus.EOS,
        "add_bos_token": True,
        "model_max_length": c.context,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    })


if __name__ == "__main__":
    main()

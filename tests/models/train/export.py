"""Writes a checkpoint as GGUF: arch bitnet-b1.58, I2_S matrices, F16 embedding, tokenizer and chat template inside.

I2_S is bitnet.cpp's type 36, which PyPI's gguf does not name: its bytes are made here and handed to that writer as they are.
"""

import argparse
import json

import gguf
import numpy as np
import torch

import corpus
from model import load

I2_S = 36
NAME = "b158 stories"
# As Hugging Face renders BitNet b1.58-2B-4T.
TEMPLATE = "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}"


def ternary(weight):
    """Codes 0, 1, 2 and the scale, as the forward pass quantises."""
    scale = weight.abs().mean().clamp(min=1e-5)
    return ((weight / scale).round().clamp(-1, 1) + 1).to(torch.uint8).numpy(), np.float32(scale)


def i2_s(codes, scale):
    """128 codes in 32 bytes, stride 32, the first in the top bits; then the scale and 28 bytes of nothing."""
    groups = codes.reshape(-1, 4, 32)
    packed = groups[:, 0] << 6 | groups[:, 1] << 4 | groups[:, 2] << 2 | groups[:, 3]
    return np.concatenate((packed.reshape(-1), np.frombuffer(scale.tobytes() + bytes(28), np.uint8)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("tokenizer", help="tokenizer.json")
    parser.add_argument("output")
    options = parser.parse_args()
    model = load(options.checkpoint)
    weights, c = model.state_dict(), model.config

    w = gguf.GGUFWriter(options.output, "bitnet-b1.58")
    w.add_name(NAME)
    w.add_description("Children's stories and short answers. Trained by the b158 project; see its MODEL.md.")
    w.add_license("MIT OR Apache-2.0")
    w.add_vocab_size(c.vocabulary)
    w.add_context_length(c.context)
    w.add_embedding_length(c.embedding)
    w.add_block_count(c.layers)
    w.add_feed_forward_length(c.feed_forward)
    w.add_rope_dimension_count(c.head_dim)
    w.add_head_count(c.heads)
    w.add_head_count_kv(c.kv_heads)
    w.add_layer_norm_rms_eps(c.epsilon)
    w.add_rope_freq_base(c.rope_base)
    w.add_file_type(40)  # bitnet.cpp's number for I2_S

    table = json.load(open(options.tokenizer))
    special = {t["id"]: t["content"] for t in table["added_tokens"]}
    token = {i: t for t, i in table["model"]["vocab"].items()} | special
    merges = [m if isinstance(m, str) else " ".join(m) for m in table["model"]["merges"]]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("llama-bpe")
    w.add_token_list([token[i] for i in range(c.vocabulary)])
    w.add_token_types([3 if i in special else 1 for i in range(c.vocabulary)])
    w.add_token_merges(merges)
    ids = {t: i for i, t in special.items()}
    w.add_bos_token_id(ids[corpus.BOS])
    w.add_eos_token_id(ids[corpus.EOS])
    w.add_eot_token_id(ids[corpus.EOT])
    w.add_add_bos_token(True)
    w.add_chat_template(TEMPLATE)

    for name, weight in weights.items():
        if weight.dim() == 1:
            w.add_tensor(name, weight.numpy())
        elif name == "token_embd.weight":
            w.add_tensor(name, weight.numpy().astype(np.float16))
        else:
            w.add_tensor(name, i2_s(*ternary(weight)).view(np.int8), raw_shape=weight.shape, raw_dtype=I2_S)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()

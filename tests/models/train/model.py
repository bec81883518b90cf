"""BitNet b1.58 in PyTorch, in every part the architecture of BitNet b1.58-2B-4T. Parameters bear the names of the GGUF's tensors."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocabulary: int = 1024
    embedding: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    feed_forward: int = 768
    context: int = 512
    rope_base: float = 10000.0
    # Sub-norms over the small activations of a small model need a small one; 1e-5 is right where it was trained with.
    epsilon: float = 1e-5
    # bfloat16 holds the integers of both factors exactly and is three times as fast; float32 for the check against the engine.
    dtype: torch.dtype = torch.bfloat16

    @property
    def head_dim(self):
        return self.embedding // self.heads


class QuantizeActivations(torch.autograd.Function):
    """int8 by absmax per token, half to even; the gradient passes straight through."""

    @staticmethod
    def forward(ctx, x, dtype):
        ctx.dtype = x.dtype
        scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
        return (x * scale).round().clamp(-128, 127).to(dtype), scale

    @staticmethod
    def backward(ctx, grad, _):
        return grad.to(ctx.dtype), None


class QuantizeWeights(torch.autograd.Function):
    """-1, 0, +1 by absmean per matrix; the gradient passes straight through."""

    @staticmethod
    def forward(ctx, w, dtype):
        scale = w.abs().mean().clamp(min=1e-5)
        return (w / scale).round().clamp(-1, 1).to(dtype), scale

    @staticmethod
    def backward(ctx, grad, _):
        return grad, None


class Product(torch.autograd.Function):
    """The product of two quantised factors, and the gradients for the values they stand for."""

    @staticmethod
    def forward(ctx, q, s, codes, scale):
        ctx.save_for_backward(q, s, codes, scale)
        return (q @ codes.t()).float() / s * scale

    @staticmethod
    def backward(ctx, grad):
        q, s, codes, scale = ctx.saved_tensors
        to_x = (grad.to(q.dtype) @ codes) * scale
        to_w = ((grad / s).to(q.dtype).flatten(0, -2).t() @ q.flatten(0, -2)).float()
        return to_x, None, to_w, None


class BitLinear(nn.Module):
    def __init__(self, config, inputs, outputs):
        super().__init__()
        self.dtype = config.dtype
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.02)

    def forward(self, quantized):
        return Product.apply(*quantized, *QuantizeWeights.apply(self.weight, self.dtype))


class RMSNorm(nn.Module):
    def __init__(self, config, width):
        super().__init__()
        self.epsilon = config.epsilon
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        self.attn_norm, self.attn_sub_norm = RMSNorm(c, c.embedding), RMSNorm(c, c.embedding)
        self.ffn_norm, self.ffn_sub_norm = RMSNorm(c, c.embedding), RMSNorm(c, c.feed_forward)
        self.attn_q, self.attn_output = BitLinear(c, c.embedding, c.embedding), BitLinear(c, c.embedding, c.embedding)
        self.attn_k, self.attn_v = (BitLinear(c, c.embedding, c.kv_heads * c.head_dim) for _ in range(2))
        self.ffn_gate, self.ffn_up = (BitLinear(c, c.embedding, c.feed_forward) for _ in range(2))
        self.ffn_down = BitLinear(c, c.feed_forward, c.embedding)

    def forward(self, x, cos, sin):
        quantize = lambda t: QuantizeActivations.apply(t, self.config.dtype)
        half = self.config.head_dim // 2
        heads = lambda t: t.unflatten(-1, (-1, self.config.head_dim)).transpose(1, 2)
        rotate = lambda t: t * cos + torch.cat((-t[..., half:], t[..., :half]), -1) * sin
        h = quantize(self.attn_norm(x))
        q, k, v = rotate(heads(self.attn_q(h))), rotate(heads(self.attn_k(h))), heads(self.attn_v(h))
        q, k, v = (t.to(self.config.dtype) for t in (q, k, v))
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).float().transpose(1, 2).flatten(-2)
        x = x + self.attn_output(quantize(self.attn_sub_norm(h)))
        h = quantize(self.ffn_norm(x))
        h = F.relu(self.ffn_gate(h)).square() * self.ffn_up(h)
        return x + self.ffn_down(quantize(self.ffn_sub_norm(h)))


class BitNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocabulary, config.embedding)
        nn.init.normal_(self.token_embd.weight, std=0.02)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.output_norm = RMSNorm(config, config.embedding)

    def forward(self, ids):
        """Logits `[batch, position, vocabulary]`."""
        c = self.config
        angles = torch.arange(ids.shape[1])[:, None] / c.rope_base ** (torch.arange(0, c.head_dim, 2)[None] / c.head_dim)
        angles = torch.cat((angles, angles), -1)
        cos, sin = angles.cos(), angles.sin()
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, cos, sin)
        # The file keeps the embedding in f16.
        head = self.token_embd.weight.to(c.dtype)
        return (self.output_norm(x).to(c.dtype) @ head.t()).float()

    def loss(self, ids):
        """Mean cross-entropy of each next token, in nats."""
        return F.cross_entropy(self(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


def load(path, layers=None, **settings):
    """A checkpoint as a model of as many layers as it has, or of more: a layer that is added leaves the residual stream as it is,
    since the gains of its sub-norms begin at zero, and so the larger model begins as good as the smaller."""
    state = torch.load(path, weights_only=True)
    had = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blk."))
    model = BitNet(Config(layers=layers or had, **settings))
    for block in model.blk[had:]:
        nn.init.zeros_(block.attn_sub_norm.weight)
        nn.init.zeros_(block.ffn_sub_norm.weight)
    model.load_state_dict({**model.state_dict(), **state})
    return model

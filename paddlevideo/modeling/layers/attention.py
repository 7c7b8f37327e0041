"""Multi-head self-attention (Vaswani et al., "Attention Is All You Need", 2017, section 3.2).

Letters: N sequences, L tokens each, h heads of d channels, D = h * d.
"""

from __future__ import annotations

import math

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddlevideo.modeling.layers.initializers import weight_attr, zero_attr


def plain_attention(q: Tensor, k: Tensor, v: Tensor, scale: float, dropout: float, training: bool) -> Tensor:
    """softmax(scale * q k^T) v for q, k, v [N, L, h, d] -> [N, L, h, d]. Runs everywhere, and exports."""
    q, k, v = q.transpose([0, 2, 1, 3]), k.transpose([0, 2, 3, 1]), v.transpose([0, 2, 1, 3])
    weights = F.softmax(paddle.matmul(q * scale, k), axis=-1)  # [N, h, L, L]
    weights = F.dropout(weights, dropout, training=training)
    return paddle.matmul(weights, v).transpose([0, 2, 1, 3])


def fused_attention(q: Tensor, k: Tensor, v: Tensor, scale: float, dropout: float, training: bool) -> Tensor:
    """The same by Paddle's kernel, which never holds the [L, L] weights; its scale is fixed at d ** -0.5."""
    own_scale = scale * math.sqrt(q.shape[-1])
    q = q if own_scale == 1 else q * own_scale
    return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, training=training)


def can_fuse(x: Tensor) -> bool:
    """Whether Paddle's kernel runs for this tensor: 16 bits, on a GPU of the Ampere generation or later, not traced."""
    if not paddle.in_dynamic_mode() or x.dtype not in (paddle.float16, paddle.bfloat16):
        return False
    return bool(x.place.is_gpu_place()) and paddle.device.cuda.get_device_capability()[0] >= 8


class Attention(nn.Layer):
    """Self-attention over the tokens of each sequence.

    Args:
        dim: D.
        num_heads: h; D is a multiple of it.
        qkv_bias: whether the projection to queries, keys and values has a bias.
        qk_scale: factor of the products; None: d ** -0.5.
        attn_drop, proj_drop: dropout of the attention weights and of the result.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        qkv_bias: bool,
        qk_scale: float | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5 if qk_scale is None else qk_scale
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(dim, 3 * dim, weight_attr(), zero_attr() if qkv_bias else False)
        self.proj = nn.Linear(dim, dim, weight_attr(), zero_attr())
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, D] -> [N, L, D]."""
        length, dim = x.shape[1:]
        qkv = self.qkv(x).reshape([-1, length, 3, self.num_heads, dim // self.num_heads])
        q, k, v = qkv.unbind(axis=2)  # [N, L, h, d] each
        attend = fused_attention if can_fuse(q) else plain_attention
        mixed = attend(q, k, v, self.scale, self.attn_drop, self.training)
        return self.proj_drop(self.proj(mixed.reshape([-1, length, dim])))

"""Transformers over the patches of several frames: TimeSformer and PP-TimeSformer.

Bertasius, Wang, Torresani, "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021, section 3.
Letters: N clips, T frames each, P = h * w patches a frame, D channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.distributed.fleet.utils import recompute as recomputed

from paddlevideo.modeling.layers.attention import Attention
from paddlevideo.modeling.layers.drop_path import DropPath
from paddlevideo.modeling.layers.embeddings import grid_weights, nearest_frames
from paddlevideo.modeling.layers.initializers import weight_attr, zero_attr
from paddlevideo.registry import BACKBONES

AttentionType: TypeAlias = Literal["divided_space_time", "joint_space_time", "space_only"]
State: TypeAlias = dict[str, np.ndarray]
# Where a TimeSformer block starts from, for want of weights of its own: its spatial twin.
TWINS = {"temporal_attn": "attn", "temporal_norm1": "norm1"}


class Mlp(nn.Layer):
    """Two fully connected layers with a GELU between."""

    def __init__(self, dim: int, hidden: int, drop: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden, weight_attr(), zero_attr())
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim, weight_attr(), zero_attr())
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class PatchEmbed(nn.Layer):
    """Frames into patches, each a vector."""

    def __init__(self, in_channels: int, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2D(in_channels, dim, patch_size, stride=patch_size)

    def forward(self, frames: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, P, D], row by row."""
        return self.proj(frames).flatten(2).transpose([0, 2, 1])


class Block(nn.Layer):
    """Attention and a multi-layer perceptron, each on normalised tokens and added to them.

    Args:
        divided: attention over the frames at each place, then over the places of each frame; otherwise over all tokens.
        dim, num_heads, qkv_bias, qk_scale, attn_drop: see `Attention`.
        hidden: width of the perceptron.
        drop, drop_path: dropout of values and of whole branches.
        epsilon: of the layer normalisations.
    """

    def __init__(
        self,
        divided: bool,
        dim: int,
        num_heads: int,
        qkv_bias: bool,
        qk_scale: float | None,
        hidden: int,
        drop: float,
        attn_drop: float,
        drop_path: float,
        epsilon: float,
    ) -> None:
        super().__init__()
        self.divided = divided
        self.norm1 = nn.LayerNorm(dim, epsilon)
        self.attn = Attention(dim, num_heads, qkv_bias, qk_scale, attn_drop, drop)
        if divided:
            self.temporal_norm1 = nn.LayerNorm(dim, epsilon)
            self.temporal_attn = Attention(dim, num_heads, qkv_bias, qk_scale, attn_drop, drop)
            # from zero, so that a block with an image model's weights starts as that model's block
            self.temporal_fc = nn.Linear(dim, dim, zero_attr(), zero_attr())
        self.norm2 = nn.LayerNorm(dim, epsilon)
        self.mlp = Mlp(dim, hidden, drop)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """[N, 1 + P*T, D], the class token and the patches, T = `num_frames` innermost -> the same shape."""
        x = self._divided(x, num_frames) if self.divided else x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _divided(self, x: Tensor, num_frames: int) -> Tensor:
        """Section 3.3, equations 10 and 11. The class token takes part in the attention within frames only."""
        t, p, d = num_frames, (x.shape[1] - 1) // num_frames, x.shape[2]
        cls, patches = x[:, :1], x[:, 1:]  # [N, 1, D], [N, P*T, D]
        times = patches.reshape([-1, t, d])  # [N*P, T, D]
        times = self.temporal_fc(self.drop_path(self.temporal_attn(self.temporal_norm1(times))))
        patches = patches + times.reshape([-1, p * t, d])

        frames = patches.reshape([-1, p, t, d]).transpose([0, 2, 1, 3])  # [N, T, P, D]
        frames = paddle.concat([cls.unsqueeze(1).tile([1, t, 1, 1]), frames], axis=2).reshape([-1, 1 + p, d])
        frames = self.drop_path(self.attn(self.norm1(frames))).reshape([-1, t, 1 + p, d])
        cls = cls + frames[:, :, 0].mean(axis=1, keepdim=True)
        patches = patches + frames[:, :, 1:].transpose([0, 2, 1, 3]).reshape([-1, p * t, d])
        return paddle.concat([cls, patches], axis=1)  # [N, 1 + P*T, D]


@BACKBONES.register
class VisionTransformer(nn.Layer):
    """TimeSformer: a vision transformer whose blocks also look along time.

    It takes clips of any length and any size that the patches divide: the embeddings of places and times are
    interpolated where a clip, or a weight file, differs from what the model was built for.

    Args:
        img_size: side of the frames, or [height, width]; multiples of patch_size.
        patch_size: side of a patch, pixels.
        in_channels: 3 for RGB.
        embed_dim: D, a multiple of num_heads.
        depth: blocks.
        num_heads: attention heads.
        mlp_ratio: width of the perceptrons, in D.
        qkv_bias, qk_scale: see `Attention`.
        drop_rate, attn_drop_rate: dropout of tokens and of attention weights, 0 <= rate < 1.
        drop_path_rate: stochastic depth of the last block, rising from 0 in the first, 0 <= rate < 1.
        epsilon: of the layer normalisations.
        num_seg: T, frames of a clip.
        attention_type: "divided_space_time"; "joint_space_time": all tokens of a clip attend to each other;
            "space_only": frames by themselves, averaged at the end.
        pretrained: weight file for the backbone, read by whoever builds the model for training; None or "" for none.
        recompute: in training, keep only what goes into each block and compute the rest again for the gradients.

    Raises:
        ValueError: for a value outside its range.
    """

    embeddings_decay = True  # whether the optimizer's weight decay reaches the class token, places and times

    def __init__(
        self,
        img_size: int | list[int] = 224,
        patch_size: int = 16,
        in_channels: int = 3,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = False,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        epsilon: float = 1e-5,
        num_seg: int = 8,
        attention_type: AttentionType = "divided_space_time",
        pretrained: str | None = None,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        size = [img_size, img_size] if isinstance(img_size, int) else img_size
        counts = {"in_channels": in_channels, "depth": depth, "num_heads": num_heads, "num_seg": num_seg}
        rates = {"drop_rate": drop_rate, "attn_drop_rate": attn_drop_rate, "drop_path_rate": drop_path_rate}
        _check(size, patch_size, embed_dim, counts, rates)
        self.pretrained = pretrained
        self.patch_size = patch_size
        self.grid = (size[0] // patch_size, size[1] // patch_size)  # (h, w)
        self.in_channels = in_channels
        self.out_channels = embed_dim
        self.num_seg = num_seg
        self.attention_type = attention_type
        self.recompute = recompute
        self.num_layers = depth

        def embedding(length: int, attr: paddle.ParamAttr) -> Tensor:
            return self.create_parameter([1, length, embed_dim], attr=attr)

        decay = self.embeddings_decay
        self.cls_token = embedding(1, weight_attr(decay))
        self.pos_embed = embedding(1 + self.grid[0] * self.grid[1], weight_attr(decay))
        if attention_type != "space_only":
            self.time_embed = embedding(num_seg, zero_attr(decay))
        self.patch_embed = PatchEmbed(in_channels, embed_dim, patch_size)
        self.pos_drop = nn.Dropout(drop_rate)
        self.time_drop = nn.Dropout(drop_rate)
        self.blocks = nn.LayerList(
            Block(
                attention_type == "divided_space_time",
                embed_dim,
                num_heads,
                qkv_bias,
                qk_scale,
                hidden=int(embed_dim * mlp_ratio),
                drop=drop_rate,
                attn_drop=attn_drop_rate,
                drop_path=float(rate),
                epsilon=epsilon,
            )
            for rate in np.linspace(0, drop_path_rate, depth)
        )
        self.norm = nn.LayerNorm(embed_dim, epsilon)

    def forward(self, clips: Tensor) -> Tensor:
        """[N, C, T, H, W] -> the normalised class token [N, D]."""
        channels, t, height, width = clips.shape[1:]
        frames = clips.transpose([0, 2, 1, 3, 4]).reshape([-1, channels, height, width])  # [N*T, C, H, W]
        patches = self.patch_embed(frames)  # [N*T, P, D]
        p, d = patches.shape[1:]
        cls = self.cls_token.expand_as(patches[:, :1])  # [N*T, 1, D]
        places = self._places((height // self.patch_size, width // self.patch_size))
        x = self.pos_drop(paddle.concat([cls, patches], axis=1) + places)  # [N*T, 1 + P, D]
        if self.attention_type == "space_only":
            x = self._run(x, 1).reshape([-1, t, 1 + p, d])
            return self.norm(x[:, :, 0].mean(axis=1))
        x = x.reshape([-1, t, 1 + p, d])
        patches = x[:, :, 1:].transpose([0, 2, 1, 3])  # [N, P, T, D]
        patches = self.time_drop(patches + self._times(t)).reshape([-1, p * t, d])
        x = self._run(paddle.concat([x[:, 0, :1], patches], axis=1), t)  # [N, 1 + P*T, D]
        return self.norm(x[:, 0])

    def _run(self, x: Tensor, num_frames: int) -> Tensor:
        for block in self.blocks:
            if self.recompute and self.training:
                # not reentrant: a backward pass within the backward pass is an error under DataParallel
                x = recomputed(block, x, num_frames, use_reentrant=False)
            else:
                x = block(x, num_frames)
        return x

    def _places(self, grid: tuple[int, int]) -> Tensor:
        """[1, 1 + P, D] for a grid (h, w) of patches."""
        if grid == self.grid:
            return self.pos_embed
        weights = paddle.to_tensor(grid_weights(self.grid, grid), self.pos_embed.dtype)
        return paddle.concat([self.pos_embed[:, :1], paddle.matmul(weights, self.pos_embed[:, 1:])], axis=1)

    def _times(self, num_frames: int) -> Tensor:
        """[1, T, D] for T frames."""
        if num_frames == self.num_seg:
            return self.time_embed
        nearest = paddle.to_tensor(nearest_frames(self.num_seg, num_frames))
        return paddle.index_select(self.time_embed, nearest, axis=1)

    def check_clip(self, shape: Sequence[int]) -> None:
        """Raises ValueError unless `shape` is [N, C, T, H, W] with whole patches."""
        if len(shape) != 5 or shape[1] != self.in_channels:
            raise ValueError(
                f"the clips have shape {list(shape)}, but the model takes [N, {self.in_channels}, T, H, W] "
                f"(Image2Array with data_format: cthw)"
            )
        if shape[3] % self.patch_size or shape[4] % self.patch_size:
            raise ValueError(
                f"frames of {shape[4]}x{shape[3]} pixels do not divide into the model's patches of {self.patch_size}"
            )

    def layer_of(self, name: str) -> int:
        """How deep the parameter `name` lies: 0 the embeddings, 1 .. num_layers the blocks, then the last norm."""
        first, *rest = name.split(".")
        if first == "blocks":
            return int(rest[0]) + 1
        return self.num_layers + 1 if first == "norm" else 0

    def adapt_embeddings(self, state: State) -> tuple[State, list[str]]:
        """Weights for another grid or another number of frames, made to fit. Returns them and lines for the log.

        A file does not say the shape of its grid: it is taken to be square, unless it has as many places as this one.
        """
        state, lines = dict(state), []
        places, times = state.get("pos_embed"), state.get("time_embed")
        if places is not None and places.ndim == 3 and places.shape[1] not in (0, 1, self.pos_embed.shape[1]):
            side = math.isqrt(places.shape[1] - 1)
            if side * side == places.shape[1] - 1:  # other files differ in shape, and are told so
                patches = np.matmul(grid_weights((side, side), self.grid), places[:, 1:].astype(np.float64))
                state["pos_embed"] = np.concatenate([places[:, :1], patches.astype(places.dtype)], axis=1)
                h, w = self.grid
                lines.append(f"position embeddings of {side}x{side} patches interpolated for {h}x{w}")
        if times is not None and times.ndim == 3 and times.shape[1] not in (0, self.num_seg):
            state["time_embed"] = times[:, nearest_frames(times.shape[1], self.num_seg)]
            lines.append(f"time embeddings of {times.shape[1]} frames spread over {self.num_seg}, by the nearest")
        return state, lines

    def adapt_pretrained(self, state: State) -> tuple[State, list[str]]:
        """Weights of an image transformer, or of a whole video one, as the start of this backbone.

        An image model has seen no time: attention over time starts as a copy of the one over space, and what the file
        has nothing for keeps its initialisation (Bertasius et al., section 4).
        """
        state, lines = self.adapt_embeddings(state)
        own = self.state_dict()
        if any("temporal_" in name for name in state) or not any(name in own for name in state):
            return state, lines
        missing = [name for name in own if name not in state]
        twins = {name: ".".join(TWINS.get(part, part) for part in name.split(".")) for name in missing}
        copied = {name: state[twin] for name, twin in twins.items() if name != twin and twin in state}
        kept = [name for name in missing if name == "time_embed" or ".temporal_fc." in name]
        if copied:
            lines.append(f"temporal attention and norm copied from the spatial ones ({len(copied)} arrays)")
        if kept:
            kinds = sorted({"temporal_fc" if "temporal_fc" in name else name for name in kept})
            lines.append(f"{' and '.join(kinds)} keep their initialisation ({len(kept)} arrays), the file has none")
        return state | copied | {name: own[name].numpy() for name in kept}, lines


class VisionTransformerTweaks(VisionTransformer):
    """PP-TimeSformer: a `VisionTransformer` whose class token, places and times are left out of the weight decay."""

    embeddings_decay = False


BACKBONES.register(VisionTransformerTweaks, "VisionTransformer_tweaks")


def _check(
    size: list[int], patch_size: int, embed_dim: int, counts: Mapping[str, int], rates: Mapping[str, float]
) -> None:
    """Raises ValueError for a value outside its range, see `VisionTransformer`."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}={count} must be 1 or more")
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(f"{name}={rate} is outside 0 <= rate < 1")
    if patch_size < 1 or len(size) != 2 or any(side < 1 or side % patch_size for side in size):
        raise ValueError(f"img_size={size} is not [height, width] in multiples of patch_size={patch_size}")
    if embed_dim < 1 or embed_dim % counts["num_heads"]:
        raise ValueError(f"embed_dim={embed_dim} is not a multiple of num_heads={counts['num_heads']}")

"""The networks our models are measured against: the same arithmetic in plain Paddle layers, and nothing else.

They share no code with `paddlevideo.modeling`. Letters: N clips, T frames each, C channels, P patches a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import Tensor, nn

STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
STAGES[200] = (3, 12, 48, 3)


class BareResNet(nn.Layer):
    """ResNet on every frame, then the mean of all frames classified: TSN, and TSM without its shift.

    Args:
        depth: 18, 34, 50, 101, 152 or 200.
        num_classes: K.
        vd: a stem of three 3x3 convolutions, and short cuts that average before they are projected.
        activation: makes the activation layers.
        data_format: "NCHW" or "NHWC".
    """

    def __init__(
        self, depth: int, num_classes: int, vd: bool, activation: Callable[[], nn.Layer], data_format: str
    ) -> None:
        super().__init__()
        self.make, self.activation, self.vd = {"data_format": data_format}, activation, vd
        stem = [(3, 32, 3, 2), (32, 32, 3, 1), (32, 64, 3, 1)] if vd else [(3, 64, 7, 2)]
        self.stem = nn.Sequential(
            *[layer for unit in stem for layer in (self.unit(*unit), activation())],
            nn.MaxPool2D(3, 2, 1, **self.make),
        )
        blocks, channels = [], 64
        for stage, (count, width) in enumerate(zip(STAGES[depth], (64, 128, 256, 512))):
            for i in range(count):
                stride = 2 if i == 0 and stage > 0 else 1
                out = width if depth < 50 else 4 * width
                blocks.append(BareBlock(self, channels, width, out, stride, first=i == 0))
                channels = out
        self.blocks = nn.Sequential(*blocks)
        self.places = [2, 3] if data_format == "NCHW" else [1, 2]
        self.fc = nn.Linear(channels, num_classes)

    def unit(self, before: int, after: int, kernel: int, stride: int) -> nn.Sequential:
        """Convolution and batch normalisation."""
        conv = nn.Conv2D(before, after, kernel, stride, kernel // 2, bias_attr=False, **self.make)
        return nn.Sequential(conv, nn.BatchNorm2D(after, **self.make))

    def forward(self, imgs: Tensor) -> Tensor:
        """[N, T, 3, H, W] -> [N, K] (channels last for NHWC)."""
        features = self.blocks(self.stem(imgs.flatten(0, 1))).mean(axis=self.places)  # [N*T, C]
        return self.fc(features.reshape([imgs.shape[0], imgs.shape[1], -1]).mean(axis=1))


class BareBlock(nn.Layer):
    """A basic block, or a bottleneck where `out` is wider than `width`."""

    def __init__(self, net: BareResNet, channels: int, width: int, out: int, stride: int, first: bool) -> None:
        super().__init__()
        units = [net.unit(channels, width, 3, stride), net.activation(), net.unit(width, width, 3, 1)]
        if out > width:
            units = [net.unit(channels, width, 1, 1), net.activation(), net.unit(width, width, 3, stride)]
            units += [net.activation(), net.unit(width, out, 1, 1)]
        self.main = nn.Sequential(*units)
        self.short: nn.Layer = nn.Identity()
        if first and net.vd and stride == 2:
            pool = nn.AvgPool2D(2, 2, ceil_mode=True, **net.make)
            self.short = nn.Sequential(pool, net.unit(channels, out, 1, 1))
        elif first:
            self.short = net.unit(channels, out, 1, stride)
        self.activation = net.activation()

    def forward(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> [N*T, out, H / stride, W / stride]."""
        return self.activation(self.main(x) + self.short(x))


class BareTimeSformer(nn.Layer):
    """A vision transformer over several frames, with TimeSformer's divided attention or without.

    Args:
        size: (height, width) of the frames, pixels.
        frames: T.
        kind: "divided_space_time", "joint_space_time" or "space_only".
    """

    def __init__(
        self,
        size: tuple[int, int],
        frames: int,
        kind: str,
        num_classes: int,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        qkv_bias: bool,
    ) -> None:
        super().__init__()
        self.kind, self.frames = kind, frames
        self.patch = nn.Conv2D(3, dim, patch, patch)
        self.cls = self.create_parameter([1, 1, dim])
        self.places = self.create_parameter([1, 1 + (size[0] // patch) * (size[1] // patch), dim])
        if kind != "space_only":
            self.times = self.create_parameter([1, 1, frames, dim])
        self.blocks = nn.LayerList(
            [BareTransformerBlock(kind, dim, heads, int(dim * mlp_ratio), qkv_bias) for _ in range(depth)]
        )
        self.norm, self.fc = nn.LayerNorm(dim), nn.Linear(dim, num_classes)

    def forward(self, imgs: Tensor) -> Tensor:
        """[N, 3, T, H, W] -> [N, K]."""
        n, t = imgs.shape[0], self.frames
        x = self.patch(imgs.transpose([0, 2, 1, 3, 4]).flatten(0, 1)).flatten(2).transpose([0, 2, 1])  # [N*T, P, D]
        x = paddle.concat([self.cls.expand([n * t, 1, x.shape[2]]), x], axis=1) + self.places
        if self.kind != "space_only":
            x = x.reshape([n, t, *x.shape[1:]])
            patches = x[:, :, 1:].transpose([0, 2, 1, 3]) + self.times  # [N, P, T, D]
            x = paddle.concat([x[:, 0, :1], patches.flatten(1, 2)], axis=1)  # [N, 1 + P*T, D]
        for block in self.blocks:
            x = block(x, t)
        tokens = x[:, 0].reshape([n, t, -1]).mean(axis=1) if self.kind == "space_only" else x[:, 0]
        return self.fc(self.norm(tokens))


class BareTransformerBlock(nn.Layer):
    """Attention (over time and then over space where divided) and a perceptron."""

    def __init__(self, kind: str, dim: int, heads: int, hidden: int, qkv_bias: bool) -> None:
        super().__init__()
        self.divided = kind == "divided_space_time"
        if self.divided:
            self.time_norm, self.time = nn.LayerNorm(dim), BareAttention(dim, heads, qkv_bias)
            self.time_fc = nn.Linear(dim, dim)
        self.norm, self.space = nn.LayerNorm(dim), BareAttention(dim, heads, qkv_bias)
        self.mlp = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x: Tensor, t: int) -> Tensor:
        """[N, 1 + P*T, D] -> the same shape."""
        if not self.divided:
            x = x + self.space(self.norm(x))
            return x + self.mlp(x)
        n, p, d = x.shape[0], (x.shape[1] - 1) // t, x.shape[2]
        cls, patches = x[:, :1], x[:, 1:].reshape([n * p, t, d])
        patches = (patches + self.time_fc(self.time(self.time_norm(patches)))).reshape([n, p, t, d])
        frames = paddle.concat([cls.unsqueeze(1).expand([n, t, 1, d]), patches.transpose([0, 2, 1, 3])], axis=2)
        added = self.space(self.norm(frames.flatten(0, 1))).reshape([n, t, 1 + p, d])
        cls = cls + added[:, :, 0].mean(axis=1, keepdim=True)
        patches = patches + added[:, :, 1:].transpose([0, 2, 1, 3])
        x = paddle.concat([cls, patches.flatten(1, 2)], axis=1)
        return x + self.mlp(x)


class BareAttention(nn.Layer):
    """Multi-head self-attention."""

    def __init__(self, dim: int, heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias_attr=None if qkv_bias else False)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, D] -> the same shape."""
        n, length, d = x.shape
        q, k, v = self.qkv(x).reshape([n, length, 3, self.heads, d // self.heads]).transpose([2, 0, 3, 1, 4])
        weights = nn.functional.softmax(paddle.matmul(q * (d // self.heads) ** -0.5, k, transpose_y=True))
        return self.out(paddle.matmul(weights, v).transpose([0, 2, 1, 3]).reshape([n, length, d]))


def bare(network: dict[str, Any], frames: int, size: tuple[int, int]) -> nn.Layer | None:
    """The bare counterpart of a MODEL section with all its defaults written out; None where there is none.

    Args:
        frames, size: T and (height, width) of the clips.
    """
    backbone, classes = network["backbone"], network["head"]["num_classes"]
    name = backbone["name"]
    if name.startswith("ResNet"):
        vd = "Tweaks" in name
        leaky = backbone.get("activation", "leaky_relu" if name == "ResNetTweaksTSM" else "relu") == "leaky_relu"
        activation = nn.LeakyReLU if leaky else nn.ReLU
        depth = backbone.get("depth", backbone.get("layers"))  # ResNetTweaksTSN calls it so
        return BareResNet(depth, classes, vd, activation, backbone["data_format"])
    if name.startswith("VisionTransformer"):
        own = {key: backbone[key] for key in ("depth", "mlp_ratio", "qkv_bias")}
        sizes = {"patch": backbone["patch_size"], "dim": backbone["embed_dim"], "heads": backbone["num_heads"]}
        return BareTimeSformer(size, frames, backbone["attention_type"], classes, **sizes, **own)
    return None

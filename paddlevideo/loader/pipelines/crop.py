"""Ops that cut a box out of every frame of a clip, the same one from each."""

from __future__ import annotations

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.resizing import Backend, check_backend, stand_in
from paddlevideo.loader.views import Box
from paddlevideo.registry import PIPELINES
from paddlevideo.utils.errors import UserError


def room_for(clip: Clip, size: int) -> tuple[int, int]:
    """How many pixels frames are (higher, wider) than a square crop. Raises UserError when it does not fit."""
    height, width = clip.size
    if min(height, width) < size:
        raise UserError(
            f"{clip.path}: frames of {width}x{height} are smaller than the crop of {size}; put a Scale first"
        )
    return height - size, width - size


def with_mirrors(boxes: list[Box]) -> list[Box]:
    """Each box, followed by its mirror image."""
    return [each for box in boxes for each in (box, box._replace(mirrored=True))]


@PIPELINES.register
class MultiScaleCrop:
    """A random box, at one of a few sizes and places, resized to a square.

    Wang et al., Temporal Segment Networks (2016), section 3.2: corner cropping and scale jittering.

    Args:
        target_size: side of the result, pixels.
        scales: sides of the box as parts of the frame's short side.
        max_distort: how far apart in `scales` the box's width and height may be.
        fix_crop: choose among fixed places (corners, centre ...); otherwise any.
        allow_duplication: list a place even where it coincides with the corner, which then is likelier.
        more_fix_crop: 13 places instead of 5.
        integer_steps: places at whole quarters of the room, rounded down, as in mmaction2; otherwise at exact quarters,
            where the box is then rounded to pixels.
        backend: who resizes. Where Pillow's result is hardly another one, OpenCV does it for pillow too, which takes
            an eighth of the time: see `resizing.stand_in`.
    """

    def __init__(
        self,
        target_size: int,
        scales: list[float] | None = None,
        max_distort: int = 1,
        fix_crop: bool = True,
        allow_duplication: bool = False,
        more_fix_crop: bool = True,
        integer_steps: bool = False,
        backend: Backend = "pillow",
    ) -> None:
        self.scales = [1, 0.875, 0.75, 0.66] if scales is None else scales
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"scales must lie in (0, 1], got {self.scales}")
        self.target_size = target_size
        self.max_distort = max_distort
        self.fix_crop = fix_crop
        self.allow_duplication = allow_duplication
        self.more_fix_crop = more_fix_crop
        self.integer_steps = integer_steps
        self.backend: Backend = backend

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """The (height, width) a box may have; a side within 2 pixels of the target becomes the target."""
        sides = [int(min(height, width) * scale) for scale in self.scales]
        sides = [self.target_size if abs(side - self.target_size) < 3 else side for side in sides]
        return [(h, w) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= self.max_distort]

    def places(self, down: int, right: int) -> list[tuple[float, float]]:
        """The (top, left) corners to choose from, where the box can move `down` and `right` by so many pixels."""
        quarters = [(0, 0)]
        if self.allow_duplication or right:
            quarters.append((0, 4))
        if self.allow_duplication or down:
            quarters.append((4, 0))
        if self.allow_duplication or (down and right):
            quarters.append((4, 4))
        if self.allow_duplication or down or right:
            quarters.append((2, 2))
        if self.more_fix_crop:
            quarters += [(2, 0), (2, 4), (4, 2), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3)]
        if self.integer_steps:
            return [(i * (down // 4), j * (right // 4)) for i, j in quarters]
        return [(i * down / 4, j * right / 4) for i, j in quarters]

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        height, width = clip.size
        sizes = self.sizes(height, width)
        h, w = sizes[rng.integers(len(sizes))]
        down, right = max(0, height - h), max(0, width - w)
        if self.fix_crop:
            places = self.places(down, right)
            top, left = places[rng.integers(len(places))]
        else:
            top, left = float(rng.integers(0, down, endpoint=True)), float(rng.integers(0, right, endpoint=True))
        # Both edges are rounded, half to even, so a box may be a pixel larger or smaller than (h, w).
        edges = round(top), round(left), min(round(top + h), height), min(round(left + w), width)
        box = Box(edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1])
        clip, to = clip.settled(), (self.target_size, self.target_size)
        check_backend(clip.pixel_type, self.backend)
        return clip.crop_to(box, *to, stand_in(box, to, self.backend))


@PIPELINES.register
class RandomCrop:
    """A square of `target_size` pixels from anywhere."""

    def __init__(self, target_size: int) -> None:
        self.target_size = target_size

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        size, (down, right) = self.target_size, room_for(clip, self.target_size)
        top, left = rng.integers(0, down, endpoint=True), rng.integers(0, right, endpoint=True)
        return clip.crop(Box(int(top), int(left), size, size))


@PIPELINES.register
class CenterCrop:
    """The middle square of `target_size` pixels; `do_round` rounds its corner half to even, otherwise down."""

    def __init__(self, target_size: int, do_round: bool = True) -> None:
        self.target_size = target_size
        self.do_round = do_round

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        size = self.target_size
        top, left = (round(room / 2) if self.do_round else room // 2 for room in room_for(clip, size))
        return clip.crop(Box(int(top), int(left), size, size))


@PIPELINES.register
class TenCrop:
    """Upper left, upper right, lower left, lower right and centre, each followed by its mirror image: 10 views.

    The same places in the same order in PaddleVideo and mmaction2: at whole quarters of the room, rounded down.
    """

    def __init__(self, target_size: int) -> None:
        self.target_size = target_size

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        size = self.target_size
        down, right = (room // 4 for room in room_for(clip, size))
        places = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))
        return clip.crops(with_mirrors([Box(i * down, j * right, size, size) for i, j in places]))


@PIPELINES.register
class GroupFullResSample:
    """Left, right and centre of the middle row, each followed by its mirror image if `flip`: 3 or 6 views."""

    def __init__(self, crop_size: int, flip: bool = False) -> None:
        self.crop_size = crop_size
        self.flip = flip

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        size = self.crop_size
        down, right = (room // 4 for room in room_for(clip, size))
        boxes = [Box(2 * down, j * right, size, size) for j in (0, 4, 2)]
        return clip.crops(with_mirrors(boxes) if self.flip else boxes)


@PIPELINES.register
class UniformCrop:
    """Three squares of `target_size` along the longer side: left, right and centre, or top, bottom and middle."""

    def __init__(self, target_size: int) -> None:
        self.target_size = target_size

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        size, (down, right) = self.target_size, room_for(clip, self.target_size)
        # the outer crops are twice the centre's way from the first, so up to a pixel short of the edge
        step = max(down, right) // 2
        across = min(down, right) // 2
        places = [(across, along) if right > down else (along, across) for along in (0, 2 * step, step)]
        return clip.crops([Box(top, left, size, size) for top, left in places])


@PIPELINES.register
class ThreeCrop(UniformCrop):
    """mmaction2's name for `UniformCrop`: the shorter side of the frames must be `crop_size` pixels."""

    def __init__(self, crop_size: int) -> None:
        super().__init__(crop_size)

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        size, (down, right) = self.target_size, room_for(clip, self.target_size)
        if down and right:
            raise UserError(
                f"{clip.path}: neither side of the frames of {right + size}x{down + size} is the crop of {size}; "
                f"put a Scale with short_size: {size} first"
            )
        return super().__call__(clip, rng)

"""Text and pictures of a sheet: which font, how long a line may be, how large a frame is drawn."""

from __future__ import annotations

import functools
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageFont

from paddlevideo.tasks.browse.clips import Shown

THUMBNAIL = 112  # pixels of a frame's longer side, about: frames are enlarged and reduced by whole numbers only
# Fonts with more letters than Pillow's own, where the system has one.
WIDE_FONTS = (
    *("NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc"),
    *("msyh.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "Arial Unicode.ttf", "DejaVuSans.ttf"),
)
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


@functools.cache
def font(size: int, plain: bool) -> Font:
    """Pillow's own font, or for text that is not ASCII one of the system that may have its letters."""
    for name in () if plain else WIDE_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def font_for(text: str, size: int) -> Font:
    """A font to draw `text` in."""
    return font(size, text.isascii())


def drawable(text: str, of: Font) -> str:
    """`text` on one line, with "?" for letters that a font of pictures does not have."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if isinstance(of, ImageFont.FreeTypeFont) else line.encode("latin-1", "replace").decode("latin-1")


def shorten(text: str, width: float, of: Font) -> str:
    """`text` if it fits into so many pixels, else its beginning and end: "begin...end"."""
    if of.getlength(text) <= width:
        return text
    low, high = 0, len(text)  # letters kept: `low` fit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if of.getlength(cut(text, middle)) <= width else (low, middle - 1)
    return cut(text, low)


def cut(text: str, keep: int) -> str:
    """The first and last letters of a text, `keep` in all, the end being no shorter."""
    first = keep // 2
    return f"{text[:first]}...{text[len(text) - (keep - first) :]}"


def spread(total: int, most: int) -> list[int]:
    """At most `most` of 0 .. total - 1, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(int)).tolist()


def thumbnail(frame: np.ndarray, side: int = THUMBNAIL) -> Image.Image:
    """A frame [H, W, 3] with its longer side near `side`: repeated pixels, or the mean of whole blocks of them."""
    picture, longer = Image.fromarray(frame), max(frame.shape[:2])
    if longer > side:
        return picture.reduce(max(1, round(longer / side)))
    factor = max(1, round(side / longer))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def strip(views: list[np.ndarray], gap: int, side: int = THUMBNAIL) -> Image.Image:
    """Rows of frames [T, H, W, 3], one below the other, with white between them."""
    drawn = [[thumbnail(frame, side) for frame in frames] for frames in views]
    width, height = drawn[0][0].size
    across, down = len(drawn[0]), len(drawn)
    picture = Image.new("RGB", (across * (width + gap) - gap, down * (height + gap) - gap), "white")
    for row, pictures in enumerate(drawn):
        for column, one in enumerate(pictures):
            picture.paste(one, (column * (width + gap), row * (height + gap)))
    return picture


def blended(shown: Shown, text: str, other: str) -> str:
    """What the class line of a caption says: the class, or both with their shares."""
    return text if shown.partner is None else f"{shown.lam:.2f} {text} + {1 - shown.lam:.2f} {other}"

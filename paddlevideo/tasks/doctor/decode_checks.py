"""Checks of what is in the files: a sample of every list is opened and some frames of each are decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median

import numpy as np

from paddlevideo.loader.sources.frame_names import Frames, spans
from paddlevideo.tasks.doctor.finding import Finding, error, lasting, named, note, ok, plural, warning
from paddlevideo.tasks.doctor.probe import Look, Seen, probe
from paddlevideo.tasks.doctor.splits import Entry, SplitList
from paddlevideo.tasks.prepare import parallel
from paddlevideo.tasks.run import blank_clip

TIMED = 16  # clips of each list that are prepared wholly, to learn how long it takes
SIDEWAYS = (90, 180, 270)
SLOW = 600  # seconds for a list, from where it is worth doing something about it


def looked_at(
    split: SplitList, entries: list[Entry], frames: int | None, videos: int | None, workers: int
) -> list[tuple[Entry, Seen]]:
    """What is seen in a sample of a list's files, in the order of the list.

    Args:
        frames: to decode of each; None for all.
        videos: how many files, drawn at random but the same every time; None for all.
        workers: processes.
    """
    assert split.pipeline is not None
    chosen = list(range(len(entries)))
    if videos is not None and videos < len(entries):
        chosen = sorted(np.random.default_rng(0).choice(len(entries), videos, replace=False).tolist())
    timed = set(chosen[:: max(1, len(chosen) // TIMED)])
    looks = [Look(entries[i].clip, split.pipeline, frames, i if i in timed else None) for i in chosen]
    owner = {id(look): i for look, i in zip(looks, chosen)}
    seen = {}
    for look, result in parallel.each(probe, looks, workers, f"looking into {split.name}"):
        told = " ".join(str(result).split())
        seen[owner[id(look)]] = Seen(unreadable=told) if isinstance(result, Exception) else result
    return [(entries[i], seen[i]) for i in chosen]


def check(split: SplitList, pairs: list[tuple[Entry, Seen]], frames: int | None) -> Iterator[Finding]:
    """What the sample says about the list."""
    read = [(entry, seen) for entry, seen in pairs if seen.frames and not seen.unreadable]
    yield from unreadable(split, pairs, frames)
    yield from folders(split, pairs)
    yield from misfits(split, pairs)
    if read:
        yield from lengths_and_sizes(split, read)
        yield from times(split, read)
        yield from speed(split, [seen.seconds for _, seen in read if seen.seconds is not None])


def unreadable(split: SplitList, pairs: list[tuple[Entry, Seen]], frames: int | None) -> Iterator[Finding]:
    of = f"{len(pairs)} of its {len(split.entries)} files" if len(pairs) < len(split.entries) else f"{len(pairs)} files"
    broken = [f"{split.at(entry)}: {seen.unreadable}" for entry, seen in pairs if seen.unreadable]
    if broken:
        fix = "mend or remove them; on_error: skip leaves them out"
        yield Finding(
            split.broken, split.where, f"{len(broken)} of {len(pairs)} looked into unreadable: {named(broken)}", fix
        )
    else:
        said = "all frames" if frames is None else f"{frames} frames" if frames > 1 else "a frame"
        yield ok(split.where, f"{said} of each of {of} can be decoded")


def folders(split: SplitList, pairs: list[tuple[Entry, Seen]]) -> Iterator[Finding]:
    """The numbers in the list and the images in the folders."""
    kept = [(entry, seen.numbering) for entry, seen in pairs if seen.numbering is not None]
    fewer = [(e, n) for e, n in kept if _there(n) < _listed(e)]
    more = [(e, n) for e, n in kept if 0 < _listed(e) < _there(n)]
    torn = [(e, n) for e, n in kept if n.missing]
    if fewer:
        said = named([f"{split.at(e)}: {_there(n)} of {_listed(e)}" for e, n in fewer])
        what = f"{plural(len(fewer), 'folder')} with fewer images than listed: {said}"
        yield Finding(split.broken, split.where, what, "count the images anew and write the list again")
    if more:
        said = named([f"{split.at(e)}: {_there(n)}, listed {_listed(e)}" for e, n in more])
        yield note(
            split.where, f"{plural(len(more), 'folder')} with more images than listed, which are not used: {said}"
        )
    if torn:
        said = named([f"{split.at(e)} lacks {spans(n.missing)}" for e, n in torn])
        fix = "extract the frames of these videos again"
        yield Finding(
            split.broken, split.where, f"{plural(len(torn), 'folder')} with holes in the numbers: {said}", fix
        )
    zero = [split.at(e) for e, n in kept if n.first == 0]
    if zero:
        yield note(split.where, f"{plural(len(zero), 'folder')} numbered from 0: {named(zero)}")
    patterns = Counter(n.pattern for _, n in kept)
    asked = {e.clip.frame_pattern for e, _ in kept if e.clip.frame_pattern}
    other = [pattern for pattern in patterns if not any(_alike(pattern, one) for one in asked)]
    if asked and other:
        common = max(other, key=lambda pattern: patterns[pattern])
        number = sum(patterns[pattern] for pattern in other)
        what = f"{plural(number, 'folder')} of {len(kept)} with images named like {named(other)}, "
        fix = f"-o {' '.join(f'DATASET.{name}.suffix={common}' for name in split.names)}"
        yield warning(split.where, f"{what}not {named(sorted(asked))}", fix)


def _there(frames: Frames) -> int:
    """How many images a folder holds."""
    return frames.last - frames.first + 1 - len(frames.missing)


def _listed(entry: Entry) -> int:
    """How many images the list asks of a folder; 0 where it does not say."""
    return entry.clip.offset + entry.clip.num_frames if entry.clip.num_frames else 0


def _alike(pattern: str, other: str) -> bool:
    """Whether two patterns give the same names."""
    return all(pattern.format(number) == other.format(number) for number in (1, 123, 12345))


def misfits(split: SplitList, pairs: list[tuple[Entry, Seen]]) -> Iterator[Finding]:
    """Files that the pipeline refuses, whatever on_error says."""
    said = [f"{split.at(entry)}: {seen.misfit}" for entry, seen in pairs if seen.misfit]
    if said:
        fix = "change the pipeline, or remove these files"
        yield error(split.where, f"PIPELINE.{split.names[0]} refuses {len(said)} of {len(pairs)}: {named(said)}", fix)


def lengths_and_sizes(split: SplitList, read: list[tuple[Entry, Seen]]) -> Iterator[Finding]:
    """Videos that are shorter or smaller than what the pipeline makes of them."""
    assert split.pipeline is not None
    try:
        clip = blank_clip(split.pipeline)
    except ValueError:
        return  # told by the check of the config
    wanted = len(clip.pixels()) // clip.views
    side = min(clip.pixels().shape[1:3])
    short = [f"{split.at(entry)}: {seen.frames}" for entry, seen in read if seen.frames < wanted]
    if short:
        fix = "remove them, or ask for fewer frames (num_seg)"
        what = f"{len(short)} of {len(read)} with fewer than the {wanted} frames of a clip, which repeats some: "
        yield warning(split.where, what + named(short), fix)
    small = [f"{split.at(e)}: {s.width}x{s.height}" for e, s in read if min(s.width, s.height) < side]
    if small:
        what = f"{len(small)} of {len(read)} smaller than the {side} pixels of a clip, and enlarged: "
        yield note(split.where, what + named(small))
    frames = [seen.frames for _, seen in read]
    sizes = Counter(f"{seen.width}x{seen.height}" for _, seen in read)
    common = ", ".join(f"{size} ({number})" for size, number in sizes.most_common(3))
    more = f" and {len(sizes) - 3} sizes more" if len(sizes) > 3 else ""
    yield note(split.where, f"{min(frames)} to {max(frames)} frames, median {median(frames):.0f}; {common}{more}")


def times(split: SplitList, read: list[tuple[Entry, Seen]]) -> Iterator[Finding]:
    """Frame rates, uneven ones, and videos stored on their side."""
    rates = [seen.fps for _, seen in read if seen.fps]
    if rates and max(rates) > 1.5 * min(rates):
        odd = sorted({round(rate, 2) for rate in rates})
        what = f"frame rates differ, {odd[0]:g} to {odd[-1]:g} a second, so clips of equal frames differ in time"
        yield note(split.where, what)
    uneven = [split.at(entry) for entry, seen in read if seen.uneven]
    if uneven:
        yield note(split.where, f"{len(uneven)} of {len(read)} with a variable frame rate: {named(uneven)}")
    turned = [split.at(entry) for entry, seen in read if seen.rotation in SIDEWAYS]
    if turned:
        yield note(split.where, f"{len(turned)} of {len(read)} stored turned, and put upright: {named(turned)}")


def speed(split: SplitList, seconds: list[float]) -> Iterator[Finding]:
    """How long the loader takes, from the few clips that were timed, beside whatever else runs here."""
    if not seconds:
        return
    each, processes = median(seconds), max(1, split.workers)
    whole, batch = each * len(split.entries) / processes, each * split.batch_size / processes
    said = (
        f"a clip is prepared in {lasting(each)} (median of {len(seconds)}): a batch of {split.batch_size} every "
        f"{lasting(batch)}, the whole list in {lasting(whole)} with num_workers: {split.workers}"
    )
    fix = "paddlevideo prepare frames or transcode make it faster; benchmark data measures it" if whole > SLOW else ""
    yield note(split.where, said, fix)

"""Converters, one a source: each recognises its files by the names in them and says what becomes of every array."""

from paddlevideo.modeling.convert import images, mit_tsm, mmaction2, paddle_files, timesformer
from paddlevideo.modeling.convert.plan import Plan, Source, first, read_source
from paddlevideo.utils.errors import UserError

# a TimeSformer of its authors looks like an image transformer to timm's names, so it comes first
SOURCES = (mmaction2, mit_tsm, timesformer, images, paddle_files)


def recognise(source: Source) -> Plan:
    """The plan for a file.

    Raises:
        UserError: no converter knows the file, or the one that does cannot convert it.
    """
    try:
        plan = next((found for module in SOURCES if (found := module.recognise(source)) is not None), None)
    except UserError as error:
        raise UserError(f"{source.path}: {error}") from None
    if plan is None:
        raise UserError(
            f"{source.path}: its {len(source.arrays)} arrays are of no model that can be converted; it begins with "
            f"{first(source.arrays)} (known: mmaction2 TSN, TSM and TimeSformer, mit-han-lab TSM, facebookresearch and "
            f"Hugging Face TimeSformer, torchvision and timm ResNet and ViT, PaddleVideo)"
        )
    if source.prefix:
        plan.notes.append(f"'{source.prefix}' taken off every name of the file")
    plan.dropped.update(dict.fromkeys(source.others, "not an array"))
    return plan


__all__ = ["Plan", "Source", "read_source", "recognise"]

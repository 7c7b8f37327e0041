"""Configs of the six models as PaddleVideo writes them: its quotes, spellings and keys, the values of its own files.

Written from a description of those files. What the files share is in templates; `FILES` maps a name to the whole text.
"""

from __future__ import annotations

import textwrap

NORMALIZATION = """\
- Normalization:
    mean: [{mean}]
    std: [{std}]
    tensor_shape: {shape}
"""
IMAGENET = NORMALIZATION.format(mean="0.485, 0.456, 0.406", std="0.229, 0.224, 0.225", shape="[3, 1, 1]")


def indented(text: str, by: int) -> str:
    return textwrap.indent(textwrap.dedent(text), " " * by)


def splits(decode: dict[str, str], sample: dict[str, str], transform: dict[str, str]) -> str:
    """PIPELINE from the lines of each step and split."""
    text = "PIPELINE:\n"
    for split in ("train", "valid", "test"):
        text += f"    {split}:\n        decode:\n{indented(decode[split], 12)}        sample:\n"
        text += f'            name: "Sampler"\n{indented(sample[split], 12)}        transform:\n'
        text += indented(transform[split], 12)
    return text


def dataset(sizes: str, form: str, lists: tuple[str, str], suffix: str) -> str:
    text = f"DATASET: #DATASET field\n{indented(sizes, 4)}    num_workers: 4 #Mandatory\n    shuffle_valid: False\n"
    for split, file_path in zip(("train", "valid", "test"), (*lists, lists[1])):
        text += f'    {split}:\n        format: "{form}" #Mandatory\n        data_prefix: ""\n'
        text += f"        file_path: \"{file_path}\"\n        suffix: '{suffix}'\n        num_retries: 5\n"
    return text


def ending(name: str, epochs: int, helper: str) -> str:
    return f"""\
METRIC:
    name: 'CenterCropMetric'

INFERENCE:
    name: '{helper}'
    num_seg: 8
    target_size: 224

model_name: "{name}"
log_interval: 20 #Optional, the interval of logger, default:10
save_interval: 10
epochs: {epochs} #Mandatory, total epoch
log_level: "INFO" #Optional, the logger level. default: "INFO"
resume_from: "" #checkpoint path.
"""


FRAMES = dataset("batch_size: 16\ntest_batch_size: 1\n", "FrameDataset", ("train.list", "val.list"), "img_{:05}.jpg")
VIDEOS = dataset("batch_size: 8\n", "VideoDataset", ("train.list", "val.list"), ".mp4")


def same(text: str) -> dict[str, str]:
    return dict.fromkeys(("train", "valid", "test"), text)


# --- ResNets ----------------------------------------------------------------------------------------------------------


def recognizer2d(backbone: str, head: str, drop: float, std: float, more: str = "", classes: int = 400) -> str:
    return f"""\
MODEL: #MODEL field
    framework: "Recognizer2D" #Mandatory
    backbone:
        name: "{backbone}" #Mandatory, The name of backbone.
        pretrained: "" #Optional, pretrained model path.
        {"layers" if backbone == "ResNetTweaksTSN" else "depth"}: 50
    head:
        name: "{head}"
        num_classes: {classes}
        in_channels: 2048
        drop_ratio: {drop}
        std: {std}
{indented(more, 8)}"""


def momentum(rates: str, more: str = "weight_decay:\n    name: 'L2'\n    value: 1e-4\n") -> str:
    head = "OPTIMIZER: #OPTIMIZER field\n    name: 'Momentum'\n    momentum: 0.9\n    learning_rate:\n"
    return head + indented(rates, 8) + indented(more, 4)


def cosine(start: float, base: float, epochs: int, warm: int = 10) -> str:
    return f"""\
iter_step: True
name: 'CustomWarmupCosineDecay'
max_epoch: {epochs}
warmup_epochs: {warm}
warmup_start_lr: {start}
cosine_base_lr: {base}
"""


def sampler(num_seg: int, valid: bool, more: str = "") -> str:
    return f"num_seg: {num_seg}\nseg_len: 1\nvalid_mode: {valid}\n{more}"


LEFT = "select_left: True\n"
STEPS = "iter_step: False\nname: 'PiecewiseDecay'\nboundaries: [40, 80]\nvalues: [0.01, 0.001, 0.0001]\n"
CLIP = "grad_clip:\n    name: 'ClipGradByGlobalNorm'\n    value: 40.0\n"
L2 = "weight_decay:\n    name: 'L2'\n    value: 1e-4\n"
MIXUP = 'MIX:\n    name: "Mixup"\n    alpha: 0.2\n'
PRECISE = "PRECISEBN:\n    preciseBN_interval: 5\n    num_iters_preciseBN: 200\n"
SCALE_CV2 = """\
- Scale:
    short_size: 256
    fixed_ratio: False
    keep_ratio: True
    do_round: True
    backend: 'cv2'
"""
SCALE_PILLOW = "- Scale:\n    short_size: 256\n    fixed_ratio: False\n    keep_ratio: True\n    backend: 'pillow'\n"
SCALE = "- Scale:\n    short_size: 256\n"
FLIP = "- RandomFlip:\n"
ARRAY = "- Image2Array:\n"


def multi_scale(target: int, more: str = "") -> str:
    return f"- MultiScaleCrop:\n    target_size: {target}\n{indented(more, 4)}"


def crop(name: str, more: str = "") -> str:
    return f"- {name}:\n    target_size: 224\n{indented(more, 4)}"


CENTRE = crop("CenterCrop", "do_round: False\nbackend: 'cv2'\n")


def segments(frames: int) -> dict[str, str]:
    """TSN and PP-TSN: trained on some segments, tested on 25."""
    return {
        "train": sampler(frames, False, LEFT),
        "valid": sampler(frames, True, LEFT + "use_pil: False\n"),
        "test": sampler(25, True, LEFT),
    }


def tsn_transforms(more_fix_crop: bool) -> dict[str, str]:
    crops = f"allow_duplication: True\nmore_fix_crop: {more_fix_crop}\nbackend: 'cv2'\n"
    return {
        "train": SCALE_CV2 + multi_scale(224, crops) + FLIP + ARRAY + IMAGENET,
        "valid": SCALE_CV2 + CENTRE + ARRAY + IMAGENET,
        "test": SCALE_CV2 + crop("TenCrop") + ARRAY + IMAGENET,
    }


FRAME_DECODER = same('name: "FrameDecoder"\n')
DECORD = same("name: 'VideoDecoder'\nbackend: 'decord'\n")

TSN = (
    recognizer2d("ResNet", "TSNHead", 0.4, 0.01)
    + FRAMES
    + splits(FRAME_DECODER, segments(3), tsn_transforms(False))
    + momentum(STEPS, L2 + CLIP)
    + ending("TSN", 100, "ppTSN_Inference_helper")
)
PPTSN = (
    recognizer2d("ResNetTweaksTSN", "ppTSNHead", 0.4, 0.01, "ls_eps: 0.1\n")
    + VIDEOS
    + splits(DECORD, segments(3), tsn_transforms(True))
    + MIXUP
    + momentum(cosine(0.005, 0.01, 100), L2 + "use_nesterov: True\n")
    + ending("ppTSN", 100, "ppTSN_Inference_helper")
)
TSM_STEPS = STEPS.replace("[40, 80]", "[20, 40]").replace("[0.01, 0.001, 0.0001]", "[0.02, 0.002, 0.0002]")
TSM_CROP = SCALE_PILLOW + crop("CenterCrop", "backend: 'pillow'\n") + ARRAY
TSM = (
    recognizer2d("ResNetTSM", "TSMHead", 0.5, 0.001).replace("depth: 50", "depth: 50\n        num_seg: 8")
    + FRAMES
    + splits(
        FRAME_DECODER,
        {"train": sampler(8, False, LEFT), **dict.fromkeys(("valid", "test"), sampler(8, True, LEFT))},
        {
            "train": multi_scale(224, "allow_duplication: True\n") + FLIP + ARRAY + IMAGENET,
            **dict.fromkeys(("valid", "test"), TSM_CROP + IMAGENET),
        },
    )
    + momentum(TSM_STEPS, L2 + CLIP.replace("40.0", "20.0"))
    + ending("TSM", 50, "ppTSM_Inference_helper")
)
TSM_NHWC = (
    TSM.replace("num_seg: 8\n    head:", 'num_seg: 8\n        data_format: "NHWC"\n    head:')
    .replace("        std: 0.001\n", '        std: 0.001\n        data_format: "NHWC"\n')
    .replace("- Image2Array:\n", "- Image2Array:\n                transpose: False\n")
    .replace("[3, 1, 1]", "[1, 1, 3]")
)
PPTSM_TRAIN = SCALE + multi_scale(256) + crop("RandomCrop") + FLIP + ARRAY + IMAGENET
PPTSM_DENSE = "dense_sample: True\n"
PPTSM = (
    recognizer2d("ResNetTweaksTSM", "ppTSMHead", 0.5, 0.01, "ls_eps: 0.1\n")
    + FRAMES
    + splits(
        FRAME_DECODER,
        {
            "train": sampler(8, False, PPTSM_DENSE),
            "valid": sampler(8, True),
            "test": sampler(8, True, PPTSM_DENSE),
        },
        {
            "train": PPTSM_TRAIN,
            "valid": SCALE + crop("CenterCrop") + ARRAY + IMAGENET,
            "test": SCALE + "- GroupFullResSample:\n    crop_size: 224\n    flip: False\n" + ARRAY + IMAGENET,
        },
    )
    + MIXUP
    + PRECISE
    + momentum(cosine(0.01, 0.02, 80), L2 + "use_nesterov: True\n")
    + ending("ppTSM", 80, "ppTSM_Inference_helper")
)

# --- transformers -----------------------------------------------------------------------------------------------------


def transformer(backbone: str, qkv_bias: bool, more: str, head: str, average: str) -> str:
    return f"""\
MODEL: #MODEL field
    framework: "RecognizerTransformer"
    backbone:
        name: "{backbone}"
        pretrained: "" #Optional
        img_size: 224
        patch_size: 16
        in_channels: 3
        embed_dim: 768
        depth: 12
        num_heads: 12
        mlp_ratio: 4
        qkv_bias: {qkv_bias}
        epsilon: 1e-6
        num_seg: 8
        attention_type: 'divided_space_time'
{indented(more, 8)}    head:
{indented(head, 8)}        num_classes: 400
        in_channels: 768
        std: 0.02
    runtime_cfg: # runtime config for this framework
        test:
            num_seg: 8
            avg_type: '{average}'
"""


def clips(mean: str, std: str, valid: str) -> str:
    """The PIPELINE of both: decoding a window, frames evenly over it, everything after normalising."""
    decode = {split: f"name: 'VideoDecoder'\nbackend: 'pyav'\nmode: '{split}'\nnum_seg: 8\n" for split in same("")}
    head = NORMALIZATION.format(mean=mean, std=std, shape="[1, 1, 1, 3]") + ARRAY + '    data_format: "cthw"\n'

    def jitter(low: int, high: int) -> str:
        return f"{head}- JitterScale:\n    min_size: {low}\n    max_size: {high}\n"

    train = jitter(256, 320) + crop("RandomCrop") + FLIP
    transform = {
        "train": train,
        "valid": {"random": train, "centre": jitter(256, 256) + crop("CenterCrop")}[valid],
        "test": jitter(224, 224) + crop("UniformCrop"),
    }
    return splits(decode, same("num_seg: 8\nvalid_mode: False\nlinspace_sample: True\n"), transform)


ACCUMULATION = "GRADIENT_ACCUMULATION:\n    global_batch_size: 64 # Specify the sum of batches\n"
MULTI_STEP = "name: 'MultiStepDecay'\nmilestones: [11, 14]\nlearning_rate: 0.005\ngamma: 0.1\n"
TIMESFORMER = (
    transformer("VisionTransformer", True, "", 'name: "TimeSformerHead"\n', "score")
    + VIDEOS
    + clips("0.45, 0.45, 0.45", "0.225, 0.225, 0.225", "random")
    + momentum(MULTI_STEP, L2 + "use_nesterov: True\n")
    + ACCUMULATION
    + ending("TimeSformer", 15, "TimeSformer_Inference_helper")
)
PPTIMESFORMER = (
    transformer(
        "VisionTransformer_tweaks",
        False,
        "wd_bias: True\nlr_mult_list: [1.0, 1.0, 1.0, 1.0, 1.0]\n",
        'name: "ppTimeSformerHead"\nls_eps: 0.1\n',
        "prob",
    )
    + VIDEOS
    + clips("0, 0, 0", "1, 1, 1", "centre")
    + 'MIX:\n    name: "VideoMix"\n    cutmix_prob: 0.5\n    mixup_alpha: 0.2\n    cutmix_alpha: 1.0\n'
    + momentum(cosine(0.00025, 0.0025, 20, warm=2), L2.replace("1e-4", "7e-5") + CLIP + "use_nesterov: True\n")
    + ACCUMULATION
    + ending("ppTimeSformer", 20, "TimeSformer_Inference_helper")
)

FILES = {
    "tsn": TSN,
    "tsm": TSM,
    "tsm_nhwc": TSM_NHWC,
    "pptsn": PPTSN,
    "pptsm_dense": PPTSM,
    "pptsm_dense_r101": PPTSM.replace("depth: 50", "depth: 101"),
    "timesformer": TIMESFORMER,
    "pptimesformer": PPTIMESFORMER,
}

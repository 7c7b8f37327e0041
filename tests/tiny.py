"""A config that trains a very small TSM in a second or two; {data} and {output} are to be filled in."""

TINY = """
MODEL:
  framework: Recognizer2D
  backbone: {{name: ConvNet, channels: [8, 16], num_seg: 4, shift_ratio: 0.25}}
  head: {{name: TSMHead, num_classes: 8, in_channels: 16, drop_ratio: 0.5, std: 0.01}}
DATASET:
  batch_size: 4
  test_batch_size: 3
  labels: {data}/labels.txt
  train: &train {{format: VideoDataset, file_path: {data}/train.list, data_prefix: {data}}}
  valid: &valid {{format: VideoDataset, file_path: {data}/valid.list, data_prefix: {data}}}
  test: *valid
PIPELINE:
  train:
    decode: {{name: VideoDecoder}}
    sample: {{name: Sampler, num_seg: 4, seg_len: 1, valid_mode: False, select_left: True}}
    transform:
    - Scale: {{short_size: 18, fixed_ratio: False, keep_ratio: True, backend: cv2}}
    - RandomCrop: {{target_size: 16}}
    - Image2Array:
    - Normalization: {{mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}}
  valid: &test
    decode: {{name: VideoDecoder}}
    sample: {{name: Sampler, num_seg: 4, seg_len: 1, valid_mode: True, select_left: True}}
    transform:
    - Scale: {{short_size: 16, fixed_ratio: False, keep_ratio: True, backend: cv2}}
    - CenterCrop: {{target_size: 16}}
    - Image2Array:
    - Normalization: {{mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}}
  test: *test
OPTIMIZER:
  name: Momentum
  momentum: 0.9
  learning_rate: {{name: PiecewiseDecay, boundaries: [1], values: [0.05, 0.01]}}
  weight_decay: {{name: L2, value: 1e-4}}
  grad_clip: {{name: ClipGradByGlobalNorm, value: 20.0}}
METRIC: {{name: CenterCropMetric}}
model_name: Tiny
output_dir: {output}
epochs: 2
log_interval: 2
"""

"""Everything between a line of a list of videos and a batch of arrays. It runs without Paddle. Importing it fills the
tables."""

from paddlevideo.loader import dataset, folder_dataset, pipelines

__all__ = ["dataset", "folder_dataset", "pipelines"]

"""From a line of a list to a batch of arrays. Runs without Paddle."""

from paddlevideo.loader import dataset as dataset
from paddlevideo.loader import pipelines as pipelines

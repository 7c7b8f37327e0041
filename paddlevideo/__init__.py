"""paddlevideo: video classification on PaddlePaddle, from a YAML file to a served model."""

__version__ = "0.1.0"

"""Whether a training repeats: two runs, compared step by step."""

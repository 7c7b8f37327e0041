"""Pictures of the clips that a model is given."""

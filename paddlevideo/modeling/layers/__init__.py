"""The parts that backbones share."""

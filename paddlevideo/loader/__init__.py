"""Everything between a line of a list of videos and a batch of arrays. It runs without Paddle."""

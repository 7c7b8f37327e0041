"""Curves of training runs, from what they wrote. Needs no Paddle."""

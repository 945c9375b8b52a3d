"""Experiments: each a question of the article, measured, with a verdict."""

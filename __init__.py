"""Tailrace: one log in, everything else a function of it."""

__version__ = "0.1.0"

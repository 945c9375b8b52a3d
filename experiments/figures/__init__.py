"""Figures made from results; nothing is measured here."""

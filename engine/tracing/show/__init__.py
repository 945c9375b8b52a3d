"""Showing a trace: data for other programs, tables, figures and graphs."""

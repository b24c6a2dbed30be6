"""Measurements: commands that start what they need and end with one line of JSON."""

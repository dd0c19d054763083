"""Tries to success: exact distributions, simulated loops, and how well samples fit."""

"""Keeps an audited program in: one module for each thing that is taken from it. `layers.py` lists them."""

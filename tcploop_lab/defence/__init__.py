"""The defences, and how each is measured."""

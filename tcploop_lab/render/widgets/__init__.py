"""Widgets: a model that knows nothing of widgets, and a thin view of it, for each.

The models (`*_model.py`) take what a learner types as text and answer in words. Long work runs on a thread
(`background.py`); what a cell showed before is put away when it runs again (`views.py`).
"""

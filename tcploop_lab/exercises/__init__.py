"""Exercises that check themselves: `exercises.check("01.2", answer)` says if it is right, and helps if not.

The content of lesson NN is data in `lesson_NN.py`; `engine.py` reads it. The names stand in `__init__.pyi`.
"""

from __future__ import annotations

import lazy_loader as _lazy_loader

__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)

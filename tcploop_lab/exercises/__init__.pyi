"""What learners use of the exercises; `__init__.py` loads each at its first use."""

from . import assignment as assignment
from .engine import Feedback as Feedback
from .engine import check as check
from .lesson_03 import blanked as blanked
from .lesson_03 import shuffled as shuffled
from .lesson_05 import mystery as mystery
from .lesson_07 import machine as machine
from .lesson_08 import incident as incident
from .progress import progress as progress

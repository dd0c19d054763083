"""What a notebook shows of an error: the learner's own lines, and in one line that a cell above was not run.

`%tb` shows all of the traceback, the lab's lines too. A kernel of the lab's environment has this from its beginning
(environment/ipython_kernel_config.py), every other one once the lab is imported.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

_PACKAGE = str(Path(__file__).parent)
# JupyterLab breaks a longer line within a word, in a window of 1280 pixels after 103 characters.
_FIRST = "no {name!r} yet (line {line}). Run the cells above first: Run, Run All Above Selected Cell."
_QUOTES = "no {name!r} yet (line {line}). A text needs quotes. If it is a name: Run, Run All Above ..."
_MAGIC = "run"  # what the lessons call a loop, and IPython a command, where nothing has this name


def install() -> None:
    """Have the notebook show errors so, if this is one."""
    ipython = sys.modules.get("IPython")
    if shell := getattr(ipython, "get_ipython", lambda: None)():
        load_ipython_extension(shell)


def load_ipython_extension(shell: Any) -> None:
    """Have this shell show errors so; who set a way of his own keeps it."""
    if not shell.custom_exceptions:
        shell.set_custom_exc((Exception, KeyboardInterrupt), _show)
        shell.input_transformers_cleanup.append(_as_a_name)


def _as_a_name(lines: list[str]) -> list[str]:
    """A cell of this one word is a name, also where IPython would take it for its command."""
    return [f"({_MAGIC})\n"] if "".join(lines).strip() == _MAGIC else lines


def _show(
    shell: Any, kind: type[BaseException], error: BaseException, traceback: TracebackType, tb_offset: Any = None
) -> None:
    if isinstance(error, NameError) and (words := _not_run(shell, error, traceback)):
        error._render_traceback_ = lambda: [f"NameError: {words}"]  # type: ignore[attr-defined]
    shell.showtraceback((kind, error, learners_part(traceback)), tb_offset=tb_offset)
    sys.last_traceback = traceback  # for %tb


def _not_run(shell: Any, error: NameError, traceback: TracebackType) -> str:
    """What to run, if a cell itself uses a name that nothing in the kernel resembles; else ""."""
    from difflib import get_close_matches

    *_, (last, line) = _places(traceback)
    known = [name for name in shell.user_ns if not name.startswith("_")]
    if last.co_name != "<module>" or _of_the_lab(last) or get_close_matches(error.name or "", known):
        return ""
    words = _QUOTES if _is_answered(last, line, str(error.name)) else _FIRST
    return words.format(name=error.name, line=line)


def _is_answered(code: CodeType, line: int, name: str) -> bool:
    """Whether the line gives the bare name as an answer: answer = b, answer = {"P": random-walk}."""
    from linecache import getline

    given = re.sub(r"(['\"]).*?\1", "", getline(code.co_filename, line))
    return re.search(rf"^\s*answer\b.*\b{re.escape(name)}\b(?!\s*[.(\[])", given) is not None


def learners_part(traceback: TracebackType) -> TracebackType | None:
    """Return the traceback without the lab's frames, and without those of what the lab called, but the learner's."""
    kept: list[TracebackType] = []
    hidden = False
    step: TracebackType | None = traceback
    while step is not None:
        code = step.tb_frame.f_code
        own = step.tb_frame.f_globals.get("__name__") == "__main__"  # the learner's
        hidden = _of_the_lab(code) or (hidden and not own)
        if not hidden:
            kept.append(step)
        step = step.tb_next
    rest: TracebackType | None = None
    for one in reversed(kept):
        rest = TracebackType(rest, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return rest


def _places(traceback: TracebackType | None) -> list[tuple[CodeType, int]]:
    found = []
    while traceback is not None:
        found.append((traceback.tb_frame.f_code, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def _of_the_lab(code: CodeType) -> bool:
    return code.co_filename.startswith(_PACKAGE)

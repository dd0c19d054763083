"""Run the notebooks again, each from a fresh kernel, and store them clean.

    python tools/notebooks.py                                   all of them, in reading order
    python tools/notebooks.py notebooks/00_start_here.ipynb     only these

A notebook that raises is not stored. What is kept: sources, outputs, counts, tags. What is dropped: what only
the machine that ran it would recognise, and the state of widgets, which shows nothing without a kernel.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# "jupyter" hides a folded solution, "nbgrader" is what the assignments are made of.
KEPT = ("tags", "jupyter", "nbgrader", "editable", "deletable")
# Other users of this machine may not listen to the kernel; without it ipykernel warns.
ENCRYPTED = Config({"KernelManager": {"transport_encryption": "auto"}})
GENERATED = {".ipynb_checkpoints", "release", "submitted", "autograded", "feedback"}
CELL_SECONDS = 120  # as nbval allows a cell, see pyproject.toml


def course() -> list[Path]:
    """Every stored notebook in reading order; what nbgrader generates is not stored."""
    found = sorted((ROOT / "notebooks").rglob("*.ipynb"))
    return [path for path in found if not GENERATED & set(path.parts)]


def portable(text: str) -> str:
    """The text without the places of this machine: the project is `.`, the home folder `~`."""
    return text.replace(str(ROOT), ".").replace(str(Path.home()), "~")


def clean_output(output: NotebookNode) -> NotebookNode | None:
    """The output as it is stored: of a widget the figure beside it, or None if there is only the widget."""
    if output.get("data", {}).pop(WIDGET_VIEW, None) and "text/html" not in output.data:
        return None
    if "text" in output:
        output.text = portable(output.text)
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/"):
            output.data[kind] = portable(value)
    return output


def clean_cell(cell: NotebookNode) -> None:
    """Keep of a cell what a reader needs."""
    cell.metadata = NotebookNode({key: cell.metadata[key] for key in KEPT if key in cell.metadata})
    if cell.cell_type == "code":
        cell.outputs = [kept for kept in map(clean_output, cell.outputs) if kept is not None]


def clean(notebook: NotebookNode) -> None:
    """Leave nothing in the notebook that changes from machine to machine without a reason."""
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    for cell in notebook.cells:
        clean_cell(cell)


def run(path: Path) -> float:
    """Run one notebook in its own folder and store it clean; returns the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    began = monotonic()
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        config=ENCRYPTED,
    ).execute()
    seconds = monotonic() - began
    clean(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return seconds


def main(arguments: list[str]) -> int:
    """Run what is named, or everything; 1 when a notebook raised, 2 when one is not there."""
    paths = [Path(argument).resolve() for argument in arguments] or course()
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        print(f"no such notebook: {', '.join(missing) or 'notebooks/*.ipynb'}", file=sys.stderr)
        return 2
    for path in paths:
        print(f"{path.name} ... ", end="", flush=True)
        try:
            print(f"{run(path):.0f} s")
        except (CellExecutionError, DeadKernelError, TimeoutError) as error:
            print(f"not stored\n{error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

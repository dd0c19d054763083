"""What a study hands back, kept and read again."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest

import tcploop_lab as lab
from tcploop_lab.study.store import Store
from tcploop_lab.testbed.sampling import Samples

STUDY = lab.Study([40500, 40501], (40000, 40999), samples=4)


@pytest.fixture
def result() -> lab.StudyResult:
    """An unfinished study of two machines: three hits on the even port, one miss on the odd one."""
    with Store.create(None, STUDY) as store:
        store.set_facts({"kernel": "Linux 6", "start": "random"}, [("random-walk", 6000), ("random-walk", 1000)])
        store.add(0, [0, 1], Samples("one", "Linux 6", array("Q", [5, 7]), array("B", [1, 1]), array("d", [0.1, 0.2])))
        store.add(0, [3], Samples("two", "Linux 7", array("Q", [9]), array("B", [1]), array("d", [0.3])))
        store.add(1, [0], Samples("one", "Linux 6", array("Q", [1000]), array("B", [0]), array("d", [0.4])))
        return lab.StudyResult.of(store.read())


def test_a_cell_counts_hits_and_keeps_the_censored(result: lab.StudyResult) -> None:
    """The mean is over the hits; a cell without hits has none."""
    even, odd = result.cells
    assert (even.samples, even.hits, even.mean) == (3, 3, 7.0)
    assert even.standard_error == pytest.approx(2 / np.sqrt(3))
    assert (odd.samples, odd.hits, odd.mean, odd.standard_error) == (1, 0, None, None)
    assert odd.tries.tolist() == [1000]
    assert (result.samples, result.hits, result.tries, result.complete) == (4, 3, 1021, False)


def test_the_law_beside_the_samples_is_that_of_the_era(result: lab.StudyResult) -> None:
    """Each cell knows the distribution it should follow."""
    even, odd = result.cells
    assert (even.law.era, even.law.can_loop, even.law.candidates) == ("random-walk", True, 500)
    assert not odd.law.can_loop


def test_the_frame_has_one_row_per_sample(result: lab.StudyResult) -> None:
    """Everything that the file says of a sample, in columns with plain names."""
    frame = result.frame()
    assert " ".join(frame.columns) == "port low high client sample tries hit seconds host kernel"
    assert frame["tries"].tolist() == [5, 7, 9, 1000]
    assert frame["hit"].tolist() == [True, True, True, False]
    assert frame["host"].tolist() == ["one", "one", "two", "one"]
    assert frame["sample"].tolist() == [0, 1, 3, 0]


def test_what_is_saved_loads_the_same(result: lab.StudyResult, tmp_path: Path) -> None:
    """save and load keep every sample, its place, where it all comes from, and a study that can go on."""
    result.save(tmp_path / "study.sqlite")
    again = lab.StudyResult.load(tmp_path / "study.sqlite")
    assert again.frame().equals(result.frame())
    assert again.provenance == result.provenance
    assert (again.study, again.summary) == (result.study, result.summary)
    assert again.study.run(lab.open_testbed(kernel="6.18"), progress=False).complete


def test_saving_overwrites_nothing(result: lab.StudyResult, tmp_path: Path) -> None:
    """A path that is taken is refused."""
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ValueError, match="it exists"):
        result.save(path)
    assert path.read_text() == "mine"


def test_the_summary_says_what_is_there(result: lab.StudyResult) -> None:
    """One line, with what is missing."""
    assert repr(result) == "<StudyResult: 4 of 8 samples in 2 cells, 3 hits, 1,021 tries on Linux 6, Linux 7>"


def test_going_through_a_study_leaves_the_warning_filters_alone() -> None:
    """Running, fitting and drawing import SciPy, whose own filters stay away from those of the learner's process."""
    code = (
        "import warnings, numpy, matplotlib.pyplot, tcploop_lab as lab; before = list(warnings.filters);"
        "result = lab.Study([40500, 40501], (40000, 40999), samples=9).run(progress=False); result.plot();"
        "from tcploop_lab.tries.fit import fit; cell = result.cells[0]; fit(cell.tries, cell.observed, cell.law);"
        "import sys; print('scipy' in sys.modules, warnings.filters == before)"
    )
    where = os.environ | {"MPLBACKEND": "agg"}
    printed = subprocess.check_output([sys.executable, "-W", "default", "-c", code], env=where, text=True, timeout=60)
    assert printed == "True True\n"

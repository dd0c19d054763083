"""A study on dask: its executor hands the tasks to processes that may be on other machines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask import config
from distributed import Client, LocalCluster

import tcploop_lab as lab
from tcploop_lab.stacks import worker
from tcploop_lab.study import engine

from ..waiting import wait_until
from .test_engine import descendants

STUDY = lab.Study("40100,40101", (40000, 40199), samples=200)
PROCESSES = ("multiprocessing.spawn", worker.NAME)  # dask's, and those the study starts in them


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A cluster of two processes with one thread each; when the test is over, they must be too."""
    size = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    place = {"dashboard_address": None, "host": "127.0.0.1", "local_directory": tmp_path}
    with (
        config.set({"temporary-directory": str(tmp_path)}),
        LocalCluster(**size, **place) as cluster,
        Client(cluster) as connected,
    ):
        yield connected
    wait_until(lambda: not any(map(descendants, PROCESSES)))


@pytest.mark.private_network
def test_a_study_runs_on_dask(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes share the tasks: every sample is there once, with its host and kernel."""
    monkeypatch.setattr(engine, "TASK_TRIES", 2_000)  # some forty tasks, so that both get some
    result = STUDY.run(client.get_executor(), progress=False)
    assert len(descendants(worker.NAME)) == 2
    rows = result.frame()
    assert rows.groupby("port")["sample"].apply(sorted).to_dict() == {port: [*range(200)] for port in (40100, 40101)}
    assert rows.groupby("port")["hit"].sum().to_dict() == {40100: 200, 40101: 0}
    assert set(rows["host"]) == {os.uname().nodename}
    assert set(rows["kernel"]) == {f"Linux {os.uname().release}"}

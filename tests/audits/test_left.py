"""What a program left in its own folders, read by the lab: bounded, and nobody is waited for."""

from __future__ import annotations

import os
from pathlib import Path

from tcploop_lab.audits.sandbox.mounts import left_in


def test_what_stands_in_files_is_read_and_nothing_else(tmp_path: Path) -> None:
    """Plain files, in folders too, each to a bound; no link is followed, and no pipe waited for."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "log").write_text("met itself\n")
    (tmp_path / "large").write_text("x" * (1 << 20))
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    left = left_in([str(tmp_path)])
    assert "met itself" in left and "root:" not in left
    assert 16 << 10 <= len(left) < 32 << 10

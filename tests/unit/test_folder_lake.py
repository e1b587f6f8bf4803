"""A folder as the lake: what lies about is never taken for an object, and what cannot be written is said."""

import os
from pathlib import Path

import pytest

from conftest import KEY
from lake_objects import budget, made, with_key
from mta_weekly.errors import LakeFailed
from mta_weekly.lake.folder import FolderLake


class TestFolder:
    def test_what_a_killed_run_left_is_never_taken_for_an_object(self, tmp_path: Path) -> None:
        lake = FolderLake(tmp_path / "lake")
        lake.prepare()
        path, facts = made(tmp_path)
        (tmp_path / "lake" / "turnstile").mkdir()
        (tmp_path / "lake" / ".mta-etl" / "turnstile-240106.csv.gz.part").write_bytes(b"half")
        (tmp_path / "lake" / f"{KEY}.json").write_text(facts.model_dump_json())
        assert lake.find([KEY], budget()) == {}
        lake.publish(path, KEY, facts, None, budget())
        assert not list((tmp_path / "lake").rglob("*.part"))
        names = sorted(each.name for each in (tmp_path / "lake" / "turnstile").iterdir())
        assert names == ["240106.csv.gz", "240106.csv.gz.json"]

    @pytest.mark.parametrize("rot", ["{", "[]", '{"feed": "turnstile"}', ""])
    def test_facts_that_cannot_be_read_count_as_absent(self, tmp_path: Path, rot: str) -> None:
        lake = FolderLake(tmp_path / "lake")
        lake.prepare()
        lake.publish(*with_key(made(tmp_path)), None, budget())
        (tmp_path / "lake" / f"{KEY}.json").write_text(rot)
        assert lake.find([KEY], budget())[KEY].facts is None

    def test_a_folder_that_cannot_be_made_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(LakeFailed, match=r"file/lake cannot be written: Not a directory"):
            FolderLake(tmp_path / "file" / "lake").prepare()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_a_folder_of_somebody_else_says_so(self, tmp_path: Path) -> None:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        os.setresuid(65534, 65534, 0)
        try:
            with pytest.raises(LakeFailed, match=r"cannot be written: Permission denied"):
                FolderLake(tmp_path).prepare()
        finally:
            os.setresuid(0, 0, 0)

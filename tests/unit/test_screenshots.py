"""Pictures for the papers: small, and no pages are opened where there is no browser for them."""

import pytest

import screenshots
from conftest import ROOT


def test_without_chromium_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert screenshots.main() == 1
    assert capsys.readouterr().err == "Chromium is needed and was not found; install it: apt-get install chromium\n"


def test_pictures_are_small() -> None:
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert {picture.stem for picture in pictures} >= {*screenshots.PICTURES, screenshots.LAKE}
    assert [picture.name for picture in pictures if picture.stat().st_size >= 200_000] == []

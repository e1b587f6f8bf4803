"""Companions over many runs: every content that ever stood is kept, equal to the byte, and found from the object."""

import pytest

from lake_faults import Source, begin
from standing import Place, Version, check_kept, check_object, check_rejected, list_replaced, look

pytest_plugins = ["lake_faults"]
A, B, C = Version("REGULAR"), Version("RECOVR AUD", bad=True), Version("DOOR OPEN", bad=True)


@pytest.mark.parametrize("way", ["force", "refresh"])
@pytest.mark.parametrize("versions", [(A, B, C), (B, A, B), (A, B, A, B)], ids=["ABC", "BAB", "ABAB"])
def test_what_was_replaced_is_kept_and_its_names_lead_back(
    place: Place, source: Source, way: str, versions: tuple[Version, ...]
) -> None:
    seen = look(place)
    for n, version in enumerate(versions):
        ended = begin(source, place.lake, version, way if n else "plain", f"run-{n}").finish()
        assert ended.state == ("replaced" if n else "landed")
        before, seen = seen, look(place)
        check_kept(before, seen)
        assert check_object(seen, versions) == version
        replaced = list_replaced(seen)
        earlier = versions[:n][::-1]
        assert [each.content for each in replaced] == [one.content for one in earlier]
        for each, one in zip(replaced, earlier, strict=True):
            check_rejected(seen, each.facts, one)
    assert len([key for key in seen if key.startswith("history/")]) == len(versions) - 1
    assert len([key for key in seen if key.startswith("rejected/")]) == len({one for one in versions if one.bad})

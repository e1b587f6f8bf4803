"""The papers, for the tests that hold them to the code and for those that type their commands."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md")))
}
MANUAL = "\n".join(text for name, text in PAGES.items() if name.startswith(("README", "docs/")))  # what a user reads


def section(name: str, kind: str = "") -> str:
    """What stands in the block between two markers, `<!-- name -->` and `<!-- /name -->`."""
    (block,) = re.findall(rf"<!-- {name} -->\n```{kind}\n(.*?)```\n<!-- /{name} -->", MANUAL, re.DOTALL)
    return str(block)


def commands(of: str) -> list[tuple[str, str]]:
    """The commands that a user reads: (script, flags), of the scripts in the folders named."""
    text = MANUAL.replace("\\\n", " ")
    found = re.findall(rf"^(?:.*&& )?\S*python (?:{of})/(\w+)\.py(?: (.*?))?(?: > \S+)?(?: +#.*)?$", text, re.MULTILINE)
    return [(name, flags) for name, flags in found]

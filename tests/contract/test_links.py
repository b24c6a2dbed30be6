"""No document points at a file or a heading that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {"gen", "var", "node_modules"}
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)>\s]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def documents(folder: Path) -> list[Path]:
    """Returns the project's Markdown files, without what was generated or installed."""
    return [
        path
        for path in folder.rglob("*.md")
        if not any(
            part in NOT_OURS or part.startswith(".") for part in path.relative_to(folder).parts
        )
    ]


def dead_links(document: Path) -> Iterator[str]:
    """Yields the links of a document that lead nowhere in this checkout."""
    text = CODE.sub("", FENCE.sub("", document.read_text()))
    for match in LINK.finditer(text):
        link = match[1] or match[2]
        if ELSEWHERE.match(link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = document.parent / path if path else document
        if not target.exists():
            yield f"{document.name}: {link}"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{document.name}: {link} (no such heading)"


def anchors(document: Path) -> set[str]:
    """Returns the anchors that a forge gives to the document's headings."""
    text = FENCE.sub("", document.read_text())
    seen: dict[str, int] = {}
    result = set()
    for heading in HEADING.findall(text):
        words = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = seen.get(words, 0)
        seen[words] = count + 1
        result.add(f"{words}-{count}" if count else words)
    return result


def test_every_link_leads_somewhere() -> None:
    """Relative links and their anchors exist; links to other sites are not followed."""
    found = documents(ROOT)

    assert ROOT / "README.md" in found
    assert [] == [link for document in found for link in dead_links(document)]


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("[here](there.md)", []),
        ("[here](there.md#a-heading-with-code)", []),
        ("[twice](there.md#twice-1)", []),
        ("[elsewhere](https://example.org/gone)", []),
        ("```\n[in code](gone.md)\n```\n and `[more](gone.md)`", []),
        ("[gone](gone.md)", ["page.md: gone.md"]),
        ("![picture](gone.png 'title')", ["page.md: gone.png"]),
        ("see [this][1]\n\n[1]: gone.md", ["page.md: gone.md"]),
        ("[lost](there.md#nothing)", ["page.md: there.md#nothing (no such heading)"]),
        ("# Top\n[here](#top) [lost](#bottom)", ["page.md: #bottom (no such heading)"]),
    ],
)
def test_dead_links_are_found(tmp_path: Path, text: str, dead: list[str]) -> None:
    """Each form of a link is followed, and code is not mistaken for links."""
    (tmp_path / "there.md").write_text("# A heading, with `code`\n## Twice\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(text)

    assert dead == list(dead_links(page))

"""MkDocs hooks: the README is the front page, and `docs/README.md` is the navigation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Files outside docs/ that pages link to.
PAPERS = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def on_config(config: Any) -> Any:
    """Turn the headings and links of `docs/README.md` into the navigation."""
    nav: list[dict[str, Any]] = [{"logboom": "index.md"}]
    for line in (ROOT / "docs" / "README.md").read_text("utf-8").splitlines():
        if heading := re.match(r"\*\*(.+?)\*\*", line):
            nav.append({heading[1]: []})
        if link := re.search(r"\[(.+?)\]\((.+?)\)", line):
            next(iter(nav[-1].values())).append({link[1]: link[2]})
    nav.append({"Project": [{name.removesuffix(".md").title(): name} for name in PAPERS]})
    config.nav = nav
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the README and the other papers of the root, with links that start at docs/."""
    for source, name in (("README.md", "index.md"), *((paper, paper) for paper in PAPERS)):
        text = (ROOT / source).read_text("utf-8")
        text = re.sub(r"\]\(docs/README\.md\)", "](index.md)", text)
        text = re.sub(r"\]\(docs/", "](", text)
        files.append(File.generated(config, name, content=re.sub(r"\]\(LICENSE\)", "](index.md)", text)))
    return files

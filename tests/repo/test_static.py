"""What a browser has to fetch: small, and within the content policy."""

import gzip
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "templates"
BYTES_MAX = 60_000


def test_all_script_and_style_together_is_less_than_a_page_may_need() -> None:
    files = [path for path in (ROOT / "static").rglob("*") if path.suffix in {".js", ".css"}]

    assert files
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < BYTES_MAX


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.html")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_has_what_the_content_policy_refuses(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", text)

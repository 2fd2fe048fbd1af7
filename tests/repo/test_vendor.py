"""What is not ours: every vendored file is listed with its sum, and nothing stands there unlisted."""

import tomllib
from hashlib import sha256
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "templates" / "static" / "vendor"


def test_every_vendored_file_is_the_one_that_was_published() -> None:
    packages = tomllib.loads((VENDOR / "VENDOR.toml").read_text(encoding="utf-8"))["package"]
    listed = {}
    for package in packages:
        assert package["folder"] == f"{package['name']}-{package['version']}"
        assert package["licence"]
        for name, digest in package["sha256"].items():
            listed[VENDOR / package["folder"] / name] = digest

    there = {path for path in VENDOR.rglob("*") if path.is_file() and path.parent != VENDOR}
    assert {path: sha256(path.read_bytes()).hexdigest() for path in there} == listed

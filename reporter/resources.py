"""Where the files beside the code are: `schedules/` and `templates/`.

Installed from a wheel they lie in the package, under `_data`; in a checkout (and in an editable install) they
lie at its top. Nothing else may guess at either place.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _root() -> Path:
    packed = PACKAGE / "_data"
    return packed if packed.is_dir() else PACKAGE.parent


def schedules_dir() -> Path:
    """The folder of the regulations that come with the product."""
    return _root() / "schedules"


def templates_dir() -> Path:
    """The folder of pages, parts and notices."""
    return _root() / "templates"

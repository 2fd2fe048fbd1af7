"""What a verb says when it cannot do what was asked: in words, in both languages, with what to do next."""

from typing import Any  # the document of a problem is JSON

FOUND_WRONG = 1
WRONG_USAGE = 2


class Trouble(Exception):
    """Something a person can put right. `zh` and `en` say what is wrong, where, and what to do next.

    `status` is the exit status. `document` is what `--json` prints; absent, it is made of the English words.
    """

    def __init__(
        self, zh: str, en: str, *, status: int = FOUND_WRONG, document: dict[str, Any] | None = None
    ) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en
        self.status = status
        self.document = document or {"title": "reporter", "status": None, "detail": en, "errors": []}


class WrongUsage(Trouble):
    """The command line itself is wrong."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en, status=WRONG_USAGE)

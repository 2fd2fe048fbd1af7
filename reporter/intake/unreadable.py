"""The one thing the readers of this folder raise."""

from reporter.core.command import Problem


class Unreadable(ValueError):
    """No command can be made of a message; `errors` says everything that was found wrong, never empty."""

    def __init__(self, *errors: Problem) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in errors))
        self.errors = list(errors)

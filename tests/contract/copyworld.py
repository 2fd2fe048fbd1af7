"""A world that is copied, and the ways of copying that go with its database."""

from dataclasses import dataclass
from pathlib import Path

from reporter.store import copies, dumps
from reporter.store.copies import Copy
from reporter.store.rehearsal import Rehearsed, rehearse
from tests.contract.gateworld import World


@dataclass
class Place:
    """A world, and the ways of copying that go with its database."""

    world: World
    folder: Path
    elsewhere: str
    """The URL of an empty database to restore into."""

    @property
    def url(self) -> str:
        return self.world.database.url.set(drivername=self.world.database.kind).render_as_string(
            hide_password=False
        )

    def back_up(self, name: str) -> Copy:
        file = self.world.database.path
        target = self.folder / name
        return dumps.back_up(self.url, target) if file is None else copies.back_up(file, target)

    def restore(self, copy: Copy, there: str | None = None, *, force: bool = False) -> Copy:
        if self.world.database.path is None:
            return dumps.restore(copy.path, self.elsewhere, there, force=force)
        return copies.restore(copy.path, Path(self.elsewhere.removeprefix("sqlite:///")), force=force)

    async def rehearse(self, copy: Copy) -> Rehearsed:
        return await rehearse(
            copy.path, None if self.world.database.path else self.url, self.world.time.now()
        )

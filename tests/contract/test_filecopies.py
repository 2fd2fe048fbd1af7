"""Attachments go with a backup: exactly those that the copy names, proved by their sums, on both databases."""

import io
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from reporter.store import attachments, filecopies
from reporter.store.attachments import AttachmentRow
from reporter.store.copies import Copy, CopyRefused, sidecar
from reporter.store.filebox import FileBox
from tests.contract.copyworld import Place
from tests.unit.factories import at


async def hand_in(place: Place, box: FileBox, incident: str, *contents: bytes) -> list[str]:
    """Keeps these contents and names them as attachments of the incident."""
    kept = [await box.keep(io.BytesIO(content)) for content in contents]
    async with place.world.database.transaction() as connection:
        for each in kept:
            row = AttachmentRow(
                incident, each.sha256, "名\t称", "text/plain", each.bytes_count, at(0), "test"
            )
            await attachments.add(connection, row)
    return sorted({each.sha256 for each in kept})


def named_in(place: Place, copy: Copy) -> list[str]:
    return filecopies.named_in(copy.path, place.url)


@pytest.fixture
def box(tmp_path: Path) -> FileBox:
    return FileBox(tmp_path / "data" / "attachments", sys.maxsize)


async def test_a_backup_holds_what_it_names_and_a_restore_puts_it_back(
    place: Place,
    box: FileBox,
    tmp_path: Path,
) -> None:
    names = await hand_in(place, box, "a", b"plan", b"photo")
    assert await hand_in(place, box, "b", b"plan") == [
        sha256(b"plan").hexdigest()
    ]  # the same content of another incident
    await box.keep(io.BytesIO(b"named by nobody"))
    copy = place.back_up("backup")
    await hand_in(place, box, "b", b"later")

    done = await filecopies.back_up(copy.path, named_in(place, copy), box.folder)
    found = await place.rehearse(copy)
    put = await filecopies.restore(copy.path, tmp_path / "put")

    assert (done.count, done.size, done.lost) == (2, 9, ())
    assert (found.files.count, found.files.lost, put.count) == (2, (), 2)
    assert sorted(each.name for each in (tmp_path / "put").rglob("*") if each.is_file()) == names
    assert FileBox(tmp_path / "put", 1).find(names[0]) is not None
    assert len(sidecar(copy.path).read_text().splitlines()) == 2


async def test_what_is_lost_is_told_and_the_rest_is_copied(
    place: Place,
    box: FileBox,
    tmp_path: Path,
) -> None:
    names = await hand_in(place, box, "a", b"one", b"two", b"three")
    lost, damaged = box.find(names[0]), box.find(names[1])
    assert lost is not None and damaged is not None
    lost.unlink()
    damaged.write_bytes(b"changed")
    copy = place.back_up("backup")

    done = await filecopies.back_up(copy.path, named_in(place, copy), box.folder)
    found = await place.rehearse(copy)

    assert (done.count, set(done.lost)) == (1, set(names[:2]))
    assert (found.files.count, set(found.files.lost)) == (1, set(names[:2]))
    assert (await filecopies.restore(copy.path, tmp_path / "put")).count == 1


async def test_a_damaged_copy_of_a_file_is_not_put_back(place: Place, box: FileBox, tmp_path: Path) -> None:
    names = await hand_in(place, box, "a", b"one", b"two")
    copy = place.back_up("backup")
    await filecopies.back_up(copy.path, named_in(place, copy), box.folder)
    kept = FileBox(filecopies.folder_of(copy.path), 1).find(names[0])
    assert kept is not None
    kept.write_bytes(b"changed")

    with pytest.raises(CopyRefused, match=names[0]):
        await filecopies.restore(copy.path, tmp_path / "put")

    assert FileBox(tmp_path / "put", 1).find(names[0]) is None
    assert FileBox(tmp_path / "put", 1).find(names[1]) is not None  # the others are there
    assert (await place.rehearse(copy)).files.lost == (names[0],)


async def test_a_list_that_was_changed_or_is_missing_is_refused(
    place: Place,
    box: FileBox,
    tmp_path: Path,
) -> None:
    await hand_in(place, box, "a", b"one")
    copy = place.back_up("backup")
    await filecopies.back_up(copy.path, named_in(place, copy), box.folder)
    manifest = filecopies.folder_of(copy.path) / filecopies.MANIFEST

    manifest.write_text("")
    with pytest.raises(CopyRefused, match="checksum"):
        await filecopies.restore(copy.path, tmp_path / "put")
    manifest.unlink()
    with pytest.raises(CopyRefused, match="missing"):
        await filecopies.restore(copy.path, tmp_path / "put")
    assert not (tmp_path / "put").exists()


async def test_a_database_without_attachments_has_one_sum_beside_its_copy(place: Place) -> None:
    copy = place.back_up("backup")

    done = await filecopies.back_up(copy.path, named_in(place, copy), Path("nowhere"))

    assert (done.count, done.lost) == (0, ())
    assert sidecar(copy.path).read_text().count("\n") == 1
    assert not filecopies.folder_of(copy.path).exists()

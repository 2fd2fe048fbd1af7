"""Seals, with nothing but what the product's engine/README.md says of them: made, published, kept, held against."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import rfc8785

from . import jetstream
from .district import District, Founder
from .moments import Json, ago, eventually, instant, text


def tree(leaves: dict[str, bytes]) -> bytes:
    """The root over heads by incident."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return next(iter(leaves.values()))
    bits = {id_: "".join(f"{byte:08b}" for byte in id_.encode("ascii")) for id_ in leaves}
    parting = next(at for at in range(36 * 8) if len({each[at] for each in bits.values()}) > 1)
    sides = [tree({id_: leaves[id_] for id_ in leaves if bits[id_][parting] == side}) for side in "01"]
    return hashlib.sha256(b"\x01" + sides[0] + sides[1]).digest()


def published_seals(town: District) -> list[Json]:
    """What REPORTER_OUT holds of seals, by number."""
    found = [
        json.loads(message.data)["data"]
        for message in jetstream.messages(town.nats, "REPORTER_OUT", "reporter.out.sealed.hitech")
    ]
    return sorted(found, key=lambda seal: seal["number"])


def test_a_seal_is_published_and_an_outsider_derives_its_root(town: District, tmp_path: Path) -> None:
    town.desk.open("east", occurred=text(ago(minutes=1)))

    made = town.service.verb_json("ledger", "seal")

    seals = eventually(
        lambda: (found := published_seals(town)) and found[-1]["number"] >= made["number"] and found,
        within=10,
    )
    assert made in seals
    for before, seal in zip([{"hash": "0" * 64}, *seals], seals, strict=False):
        body = {name: value for name, value in seal.items() if name != "hash"}
        assert seal["hash"] == hashlib.sha256(rfc8785.dumps(body)).hexdigest()
        assert seal["prev"] == before["hash"]

    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(seals[0]), encoding="utf-8")
    good = town.service.verb_json("ledger", "verify", "--against", str(kept))
    assert (good["ok"], good["seals"] >= len(seals)) == (True, True)
    kept.write_text(json.dumps(seals[0] | {"root": "0" * 64}), encoding="utf-8")
    assert town.service.verb("ledger", "verify", "--against", str(kept), expect=None).returncode == 2


def test_the_root_is_that_of_all_heads(own_district: Founder) -> None:
    town = own_district().found()
    ids = [town.desk.open(unit, occurred=text(ago(minutes=1)))["id"] for unit in ("east", "west", "north")]

    def sealed_at_rest() -> Json:
        before = [town.desk.ledger(id_) for id_ in ids]
        seal = town.service.verb_json("ledger", "seal")
        return {"seal": seal, "ledgers": before} if before == [town.desk.ledger(id_) for id_ in ids] else None

    rest = eventually(sealed_at_rest, within=20, why="nothing is written while the seal is made")

    leaves = {
        id_: hashlib.sha256(f"\0{id_}/{len(lines)}/{lines[-1]['hash']}".encode()).digest()
        for id_, lines in zip(ids, rest["ledgers"], strict=True)
    }
    assert rest["seal"]["root"] == tree(leaves).hex()
    assert rest["seal"]["incidents"] == 3
    assert rest["seal"]["lines"] == sum(len(lines) for lines in rest["ledgers"])


def test_the_service_seals_the_hour_by_itself(town: District) -> None:
    seals = eventually(
        lambda: [seal for seal in published_seals(town) if seal["hour"]],
        within=30,
        why="the hour has its seal",
    )

    assert len({seal["hour"] for seal in seals}) == len(seals)
    assert all(instant(seal["hour"]) <= instant(seal["at"]) for seal in seals)

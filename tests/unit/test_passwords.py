"""Which passwords are taken, and how they are kept."""

import pytest

from reporter.store import passwords
from reporter.store.passwords import PasswordRefused, Passwords


@pytest.mark.parametrize(
    "password", ["天地玄黄宇宙洪荒日月", "correct horse", "abcdefghi ", "aaaaabbbbbcccccddddd"]
)
def test_length_is_all_that_is_asked_for(password: str) -> None:
    passwords.check(password, "张三")


@pytest.mark.parametrize(
    "password",
    ["", "123456789", "1234567890", "PASSWORD123", "1qaz2wsx3edc", "aaaaaaaaaaaa", "abababababab", "x" * 257],
)
def test_the_shortest_and_the_commonest_are_refused(password: str) -> None:
    with pytest.raises(PasswordRefused):
        passwords.check(password)


def test_one_s_own_name_is_no_password() -> None:
    with pytest.raises(PasswordRefused):
        passwords.check("ZHANG.SAN.DESK", "zhang.san.desk")


def test_those_made_up_are_good_and_differ() -> None:
    made = {passwords.made_up() for _ in range(100)}

    assert len(made) == 100
    for each in made:
        passwords.check(each)
        assert not set(each) & set("lo01")


async def test_what_is_kept_is_argon2id_and_the_same_letters_match_however_composed() -> None:
    keeper = Passwords()
    kept = await keeper.hashed("caf\u00e9 au lait")

    assert kept.startswith("$argon2id$")
    assert await keeper.matches("cafe\u0301 au lait", kept)
    assert not await keeper.matches("cafe au lait", kept)
    assert not await keeper.matches("caf\u00e9 au lait", None)

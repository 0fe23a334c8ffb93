"""The node's token, and when the next one is given to the manager."""

import pathlib

import jwt
import pytest

from gthulhu.agent.session import credentials
from tests.unit.common.clocks import START, ManualClock

NOW = int(START.timestamp())


class Middle:
    """Draws what lies in the middle."""

    def uniform(self, a: float, b: float, /) -> float:
        return (a + b) / 2


def a_token(*, issued: int = NOW, seconds: int | None = 3600, name: str = "") -> str:
    claims: dict[str, object] = {"iat": issued, "name": name}
    return jwt.encode(claims | ({"exp": issued + seconds} if seconds else {}), "a key that is long enough for HS256")


class WritingClock(ManualClock):
    """Writes a file at a given time."""

    def __init__(self, path: pathlib.Path, *, at: float, content: str) -> None:
        super().__init__()
        self._path, self._at, self._content = path, at, content

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.monotonic() >= self._at:
            self._path.write_text(self._content)


async def test_a_token_is_read_with_its_times(tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text(a_token() + "\n")
    found = await credentials.TokenFile(tmp_path / "token", clock=ManualClock(), random=Middle()).read()
    assert (found.text, found.expires_at, found.life) == (a_token(), NOW + 3600, 3600)


def test_a_token_without_an_end_lives_for_ever() -> None:
    assert credentials.parse(a_token(seconds=None)).life == 0


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("", "is no token"), ("a.b.c", "is no token")])
async def test_what_is_no_token_is_said_with_its_place(tmp_path: pathlib.Path, content: str | None, words: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(credentials.TokenError, match=f"{path} .*{words}"):
        await credentials.TokenFile(path, clock=ManualClock(), random=Middle()).read()


async def test_the_next_token_is_taken_at_two_thirds_of_the_life_and_not_before(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "token"
    path.write_text(a_token(name="new"))
    clock = ManualClock()
    file = credentials.TokenFile(path, clock=clock, random=Middle())
    found = await file.successor(credentials.parse(a_token(name="old")))
    assert found.text == a_token(name="new")
    assert clock.monotonic() == pytest.approx(2400)


async def test_the_file_is_looked_at_again_until_there_is_another(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "token"
    path.write_text(a_token(name="old"))
    clock = WritingClock(path, at=3000, content=a_token(name="new"))
    file = credentials.TokenFile(path, clock=clock, random=Middle())
    found = await file.successor(await file.read())
    assert found.text == a_token(name="new")
    assert 3000 <= clock.monotonic() <= 3000 + 0.05 * 3600

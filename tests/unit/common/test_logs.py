"""What a log line holds."""

import json
import logging
from collections.abc import Iterator

import pytest

from gthulhu.common import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def test_a_record_is_one_json_object_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", format="json")
    logging.getLogger("gthulhu.x").warning("lost %s\nagain", "node-1", extra={"node": "node-1", "path": object})
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    entry = json.loads(output.err)
    assert entry["message"] == "lost node-1\nagain"
    assert entry["level"] == "warning"
    assert entry["logger"] == "gthulhu.x"
    assert entry["node"] == "node-1"
    assert entry["time"].endswith("+00:00")
    assert "requestId" not in entry


@pytest.mark.parametrize("format_", ["json", "text"])
def test_the_request_that_is_served_is_named(capsys: pytest.CaptureFixture[str], format_: str) -> None:
    logs.configure(format=format_)  # type: ignore[arg-type] # both
    token = logs.request_id.set("r-17")
    try:
        logging.getLogger("x").info("hello")
    finally:
        logs.request_id.reset(token)
    assert "r-17" in capsys.readouterr().err


@pytest.mark.parametrize("format_", ["json", "text"])
def test_tracebacks_are_kept(capsys: pytest.CaptureFixture[str], format_: str) -> None:
    logs.configure(format=format_)  # type: ignore[arg-type] # both
    try:
        int("inside")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "ValueError: invalid literal" in capsys.readouterr().err


def test_records_below_the_level_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="error")
    logging.getLogger("x").warning("quiet")
    assert capsys.readouterr().err == ""


def test_configuring_twice_does_not_write_twice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logs.configure()
    logging.getLogger("x").info("once")
    assert capsys.readouterr().err.count("once") == 1

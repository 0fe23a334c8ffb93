"""Users' expressions: unanchored, in linear time."""

import time

import pytest

from gthulhu.agent import expressions
from gthulhu.agent.domain import process as processes


def process(comm: str, command: str = "") -> processes.Process:
    return processes.Process(key=processes.ProcessKey(1, 1), comm=comm, command=command, container_id="", threads=())


@pytest.mark.parametrize(
    ("expression", "comm", "command", "found"),
    [
        ("nginx", "nginx", "", True),
        ("gin", "nginx", "", True),
        ("^gin", "nginx", "", False),
        ("worker [0-9]+$", "nginx", "nginx: worker 12", True),
        ("apache", "nginx", "nginx -g", False),
        ("(", "(", "(", False),
        ("grün", "grün", "", True),
    ],
)
def test_search_in_comm_and_command_line(expression: str, comm: str, command: str, *, found: bool) -> None:
    assert expressions.matches(expression, process(comm, command)) is found


def test_an_expression_made_to_hurt_does_not() -> None:
    began = time.monotonic()
    assert not expressions.matches("(a+)+$", process("x", "a" * 4095 + "!"))
    assert time.monotonic() - began < 1


def test_a_fault_is_told_in_re2s_words() -> None:
    assert expressions.fault("a(") == "missing ): a("
    assert expressions.fault("a") == ""

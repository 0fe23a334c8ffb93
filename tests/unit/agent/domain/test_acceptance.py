"""What an agent takes of what it is told."""

import pytest

from gthulhu.agent.domain import acceptance
from tests.unit.agent.test_held import an_intent


@pytest.mark.parametrize("priority", [0, 10, 20])
@pytest.mark.parametrize("slice_ns", [0, 100_000, 1_000_000_000])
@pytest.mark.parametrize("regex", ["", "nginx", "^a(b|c)+$", "ü", "x" * 1024])
def test_what_is_allowed_is_taken(priority: int, slice_ns: int, regex: str) -> None:
    assert not acceptance.fault(an_intent(priority=priority, execution_time_ns=slice_ns, command_regex=regex))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": ""}, "id must not be empty"),
        ({"version": ""}, "version must not be empty"),
        ({"pod_uid": ""}, "podUid must not be empty"),
        ({"priority": -1}, "priority -1 must be 0 to 20"),
        ({"priority": 21}, "priority 21 must be 0 to 20"),
        ({"execution_time_ns": 99_999}, "executionTime 99999 must be 0 or 100000 to 1000000000"),
        ({"execution_time_ns": 1_000_000_001}, "executionTime 1000000001"),
        ({"execution_time_ns": -1}, "executionTime -1"),
        ({"command_regex": "a("}, "commandRegex 'a\\(' is not a regular expression"),
        ({"command_regex": "(?=a)"}, "commandRegex"),
        ({"command_regex": "x" * 1025}, "commandRegex has 1025 characters, 1024 are allowed"),
    ],
)
def test_what_is_not_is_refused_with_field_value_and_what_is_allowed(change: dict[str, object], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(acceptance.fault(an_intent(**change)))

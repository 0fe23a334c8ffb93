"""How answers look."""

import json

import pytest
import yaml

from gthulhu.cli.user import output
from gthulhu.cli.user.formats import Format
from gthulhu.v1 import cluster_pb2, intent_pb2, strategy_pb2

STRATEGY = strategy_pb2.ScheduleStrategy(
    id="1", name="web-first", strategy_namespace="default", priority=0, execution_time=20_000_000
)


def test_json_has_64_bit_numbers_as_numbers_and_leaves_nothing_out() -> None:
    document = output.plain(STRATEGY)
    assert document["executionTime"] == 20_000_000
    assert document["priority"] == 0
    assert document["labelSelectors"] == []
    assert document["suspended"] is False


def test_labels_that_look_like_numbers_stay_text() -> None:
    intent = intent_pb2.ScheduleIntent(execution_time=5, pod_labels={"executionTime": "5"})
    assert output.plain(intent)["podLabels"] == {"executionTime": "5"}
    assert output.plain(intent)["executionTime"] == 5


def test_numbers_inside_lists_of_messages_are_numbers_too() -> None:
    answer = cluster_pb2.ListNodesResponse(nodes=[cluster_pb2.Node(name="n", revision=7)])
    assert output.plain(answer)["nodes"][0]["revision"] == 7


@pytest.mark.parametrize(("form", "read"), [(Format.JSON, json.loads), (Format.YAML, yaml.safe_load)])
def test_programs_get_a_list_whatever_its_length(form: Format, read) -> None:  # noqa: ANN001 - either reader
    assert read(output.present([], [], output=form, empty="none")) == []
    shown = output.present([STRATEGY], [output.strategy_row(STRATEGY)], output=form, empty="none")
    assert [one["name"] for one in read(shown)] == ["web-first"]


def test_people_get_a_table_or_a_word() -> None:
    assert output.present([], [], output=Format.TABLE, empty="no strategies") == "no strategies"
    shown = output.present([STRATEGY], [output.strategy_row(STRATEGY)], output=Format.TABLE, empty="none")
    assert "web-first" in shown
    assert "20 ms" in shown


@pytest.mark.parametrize(
    ("nanoseconds", "shown"), [(0, "default"), (100_000, "100 µs"), (1_000_000, "1 ms"), (2_500_000, "2.5 ms")]
)
def test_slices_are_written_as_people_do(nanoseconds: int, shown: str) -> None:
    assert output.duration(nanoseconds) == shown

"""The Prometheus metrics, and the page that lists them."""

import pathlib
import re

from prometheus_client import parser

from gthulhu.agent.metrics import collector, exposition, sampler
from tests.unit.agent.test_held import an_intent

REFERENCE = pathlib.Path(__file__).parents[4] / "docs" / "reference" / "metrics.md"


def full() -> exposition.Exposition:
    made = exposition.Exposition(version="1.2.3", enforcer="stock")
    made.follow(
        exposition.Readings(
            scheduler=lambda: (sampler.MetricSet(nr_queued=7, nr_failed_dispatches=2), "external"),
            usage=lambda: {
                "uid": collector.PodUsage(
                    at_ns=0, total=collector.Counters(run_ns=1_500_000_000, migrations=4), processes={}, threads=9
                )
            },
            in_force=lambda: {"i": an_intent("i", pod_uid="uid", pod_name="web-0", namespace='na"me')},
            held=lambda: 3,
            posted=lambda: 1,
            decisions=lambda: (5, 2),
            silence_seconds=lambda: 1.5,
            omitted=lambda: 904,
        )
    )
    return made


def samples() -> dict[str, tuple[dict[str, str], float]]:
    families = parser.text_string_to_metric_families(full().text().decode())
    return {sample.name: (sample.labels, sample.value) for family in families for sample in family.samples}


def test_figures_are_read_when_somebody_asks() -> None:
    found = samples()
    assert found["gthulhu_agent_decisions"] == ({}, 5)
    assert found["gthulhu_agent_decisions_failed"] == ({}, 2)
    assert found["gthulhu_agent_decisions_omitted"] == ({}, 904)
    assert found["gthulhu_agent_manager_silence_seconds"] == ({}, 1.5)
    assert found["gthulhu_agent_scheduler_nr_queued"] == ({"source": "external"}, 7)
    assert found["gthulhu_agent_scheduler_failed_dispatches_total"] == ({"source": "external"}, 2)
    pod = {"namespace": 'na"me', "pod": "web-0", "pod_uid": "uid"}
    assert found["gthulhu_agent_pod_run_seconds_total"] == (pod, 1.5)
    assert found["gthulhu_agent_pod_threads"] == (pod, 9)
    assert found["gthulhu_agent_info"] == ({"version": "1.2.3", "enforcer": "stock"}, 1)


def test_every_metric_has_our_prefix_a_meaning_and_units_in_its_name() -> None:
    for family in full().registry.collect():
        assert family.name.startswith("gthulhu_agent_")
        assert family.documentation.endswith("."), family.name
        assert not re.search(r"_(ms|us|ns|kb|mb)$", family.name), family.name


def test_the_reference_lists_every_metric_as_it_is() -> None:
    assert exposition.reference() in REFERENCE.read_text(), "regenerate it: make docs"

"""What the node's scheduler does, from whoever tells it."""

import os
import pathlib

import pytest

from gthulhu.agent.metrics import sampler
from tests.unit.common.clocks import ManualClock

ONLINE = os.sysconf("SC_NPROCESSORS_ONLN")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def a_sampler(folder: pathlib.Path, clock: ManualClock, *, runnable: int) -> sampler.Sampler:
    (folder / "loadavg").write_text(f"0.52 0.58 0.59 {runnable}/1234 56789\n")
    return sampler.Sampler(clock=clock, usage=dict, proc_root=folder)


@pytest.mark.parametrize(("runnable", "running", "queued"), [(1, 1, 0), (ONLINE, ONLINE, 0), (ONLINE + 3, ONLINE, 3)])
def test_without_an_external_scheduler_the_kernel_tells(
    tmp_path: pathlib.Path, clock: ManualClock, runnable: int, running: int, queued: int
) -> None:
    sample = a_sampler(tmp_path, clock, runnable=runnable).sample()
    assert (sample.source, sample.time) == ("kernel", clock.now())
    assert sample.metric_set == sampler.MetricSet(nr_running=running, nr_queued=queued, nr_online_cpus=ONLINE)


def test_an_external_schedulers_figures_stand_until_it_falls_silent(tmp_path: pathlib.Path, clock: ManualClock) -> None:
    of = a_sampler(tmp_path, clock, runnable=1)
    told = sampler.MetricSet(nr_queued=7, nr_user_dispatches=2**64 - 1)
    of.report(told)
    clock.advance(sampler.EXTERNAL_AGE)
    assert of.scheduler() == (told, "external")
    clock.advance(0.1)
    assert of.scheduler()[1] == "kernel"

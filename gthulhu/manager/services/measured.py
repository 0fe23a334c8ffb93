"""Samples of nodes as messages."""

import datetime

from google.protobuf import duration_pb2

from gthulhu.manager.domain.sample import Sample
from gthulhu.manager.services import convert
from gthulhu.v1 import cluster_pb2, metric_pb2


def message(sample: Sample, *, now: datetime.datetime, with_pods: bool = True) -> cluster_pb2.NodeMetrics:
    """Return a sample with its age, which counts from when this manager got it."""
    age = duration_pb2.Duration()
    age.FromTimedelta(max(now - sample.received_at, datetime.timedelta()))
    return cluster_pb2.NodeMetrics(
        node=sample.node,
        metric_set=metric_pb2.MetricSet(**sample.scheduler) if sample.scheduler else None,
        source=sample.source,
        pods=[
            metric_pb2.PodMetrics(
                pod_id=pod.uid,
                run_ns=pod.run_ns,
                wait_ns=pod.wait_ns,
                voluntary_switches=pod.voluntary_switches,
                involuntary_switches=pod.involuntary_switches,
                migrations=pod.migrations,
                processes=pod.processes,
                threads=pod.threads,
            )
            for pod in (sample.pods if with_pods else ())
        ],
        time=convert.timestamp(sample.taken_at),
        age=age,
    )

import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gthulhu.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MetricSet(_message.Message):
    __slots__ = ("usersched_last_run_at", "nr_queued", "nr_scheduled", "nr_running", "nr_online_cpus", "nr_user_dispatches", "nr_kernel_dispatches", "nr_cancel_dispatches", "nr_bounce_dispatches", "nr_failed_dispatches", "nr_sched_congested")
    USERSCHED_LAST_RUN_AT_FIELD_NUMBER: _ClassVar[int]
    NR_QUEUED_FIELD_NUMBER: _ClassVar[int]
    NR_SCHEDULED_FIELD_NUMBER: _ClassVar[int]
    NR_RUNNING_FIELD_NUMBER: _ClassVar[int]
    NR_ONLINE_CPUS_FIELD_NUMBER: _ClassVar[int]
    NR_USER_DISPATCHES_FIELD_NUMBER: _ClassVar[int]
    NR_KERNEL_DISPATCHES_FIELD_NUMBER: _ClassVar[int]
    NR_CANCEL_DISPATCHES_FIELD_NUMBER: _ClassVar[int]
    NR_BOUNCE_DISPATCHES_FIELD_NUMBER: _ClassVar[int]
    NR_FAILED_DISPATCHES_FIELD_NUMBER: _ClassVar[int]
    NR_SCHED_CONGESTED_FIELD_NUMBER: _ClassVar[int]
    usersched_last_run_at: int
    nr_queued: int
    nr_scheduled: int
    nr_running: int
    nr_online_cpus: int
    nr_user_dispatches: int
    nr_kernel_dispatches: int
    nr_cancel_dispatches: int
    nr_bounce_dispatches: int
    nr_failed_dispatches: int
    nr_sched_congested: int
    def __init__(self, usersched_last_run_at: _Optional[int] = ..., nr_queued: _Optional[int] = ..., nr_scheduled: _Optional[int] = ..., nr_running: _Optional[int] = ..., nr_online_cpus: _Optional[int] = ..., nr_user_dispatches: _Optional[int] = ..., nr_kernel_dispatches: _Optional[int] = ..., nr_cancel_dispatches: _Optional[int] = ..., nr_bounce_dispatches: _Optional[int] = ..., nr_failed_dispatches: _Optional[int] = ..., nr_sched_congested: _Optional[int] = ...) -> None: ...

class PodMetrics(_message.Message):
    __slots__ = ("pod_id", "run_ns", "wait_ns", "voluntary_switches", "involuntary_switches", "migrations", "processes", "threads")
    POD_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_NS_FIELD_NUMBER: _ClassVar[int]
    WAIT_NS_FIELD_NUMBER: _ClassVar[int]
    VOLUNTARY_SWITCHES_FIELD_NUMBER: _ClassVar[int]
    INVOLUNTARY_SWITCHES_FIELD_NUMBER: _ClassVar[int]
    MIGRATIONS_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    pod_id: str
    run_ns: int
    wait_ns: int
    voluntary_switches: int
    involuntary_switches: int
    migrations: int
    processes: int
    threads: int
    def __init__(self, pod_id: _Optional[str] = ..., run_ns: _Optional[int] = ..., wait_ns: _Optional[int] = ..., voluntary_switches: _Optional[int] = ..., involuntary_switches: _Optional[int] = ..., migrations: _Optional[int] = ..., processes: _Optional[int] = ..., threads: _Optional[int] = ...) -> None: ...

class StreamMetricsRequest(_message.Message):
    __slots__ = ("node", "time", "metric_set", "source", "pods", "sequence")
    NODE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    METRIC_SET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    node: str
    time: _timestamp_pb2.Timestamp
    metric_set: MetricSet
    source: str
    pods: _containers.RepeatedCompositeFieldContainer[PodMetrics]
    sequence: int
    def __init__(self, node: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metric_set: _Optional[_Union[MetricSet, _Mapping]] = ..., source: _Optional[str] = ..., pods: _Optional[_Iterable[_Union[PodMetrics, _Mapping]]] = ..., sequence: _Optional[int] = ...) -> None: ...

class StreamMetricsResponse(_message.Message):
    __slots__ = ("interval", "received")
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    received: int
    def __init__(self, interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., received: _Optional[int] = ...) -> None: ...

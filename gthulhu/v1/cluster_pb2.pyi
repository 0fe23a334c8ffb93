import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gthulhu.v1 import intent_pb2 as _intent_pb2
from gthulhu.v1 import metric_pb2 as _metric_pb2
from gthulhu.v1 import node_pb2 as _node_pb2
from gthulhu.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Node(_message.Message):
    __slots__ = ("name", "state", "revision", "agent_version", "enforcer", "enforcer_reason", "levers", "pods", "intents", "connect_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Node.State]
        SYNCED: _ClassVar[Node.State]
        STALE: _ClassVar[Node.State]
        DISCONNECTED: _ClassVar[Node.State]
        SYNCING: _ClassVar[Node.State]
    STATE_UNSPECIFIED: Node.State
    SYNCED: Node.State
    STALE: Node.State
    DISCONNECTED: Node.State
    SYNCING: Node.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    AGENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    ENFORCER_FIELD_NUMBER: _ClassVar[int]
    ENFORCER_REASON_FIELD_NUMBER: _ClassVar[int]
    LEVERS_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    INTENTS_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Node.State
    revision: int
    agent_version: str
    enforcer: str
    enforcer_reason: str
    levers: _containers.RepeatedScalarFieldContainer[str]
    pods: int
    intents: int
    connect_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Node.State, str]] = ..., revision: _Optional[int] = ..., agent_version: _Optional[str] = ..., enforcer: _Optional[str] = ..., enforcer_reason: _Optional[str] = ..., levers: _Optional[_Iterable[str]] = ..., pods: _Optional[int] = ..., intents: _Optional[int] = ..., connect_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListNodesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListNodesResponse(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ...) -> None: ...

class ListNodePodProcessesRequest(_message.Message):
    __slots__ = ("node",)
    NODE_FIELD_NUMBER: _ClassVar[int]
    node: str
    def __init__(self, node: _Optional[str] = ...) -> None: ...

class ExplainPodRequest(_message.Message):
    __slots__ = ("namespace", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ExplainPodResponse(_message.Message):
    __slots__ = ("pod_id", "pod_name", "k8s_namespace", "node_id", "pod_labels", "strategies", "decisions", "node_error")
    class Considered(_message.Message):
        __slots__ = ("strategy_id", "name", "strategy_namespace", "matched", "reason", "intent")
        STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        STRATEGY_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
        MATCHED_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        INTENT_FIELD_NUMBER: _ClassVar[int]
        strategy_id: str
        name: str
        strategy_namespace: str
        matched: bool
        reason: str
        intent: _intent_pb2.ScheduleIntent
        def __init__(self, strategy_id: _Optional[str] = ..., name: _Optional[str] = ..., strategy_namespace: _Optional[str] = ..., matched: _Optional[bool] = ..., reason: _Optional[str] = ..., intent: _Optional[_Union[_intent_pb2.ScheduleIntent, _Mapping]] = ...) -> None: ...
    class PodLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    POD_ID_FIELD_NUMBER: _ClassVar[int]
    POD_NAME_FIELD_NUMBER: _ClassVar[int]
    K8S_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    POD_LABELS_FIELD_NUMBER: _ClassVar[int]
    STRATEGIES_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    NODE_ERROR_FIELD_NUMBER: _ClassVar[int]
    pod_id: str
    pod_name: str
    k8s_namespace: str
    node_id: str
    pod_labels: _containers.ScalarMap[str, str]
    strategies: _containers.RepeatedCompositeFieldContainer[ExplainPodResponse.Considered]
    decisions: _containers.RepeatedCompositeFieldContainer[_node_pb2.Decision]
    node_error: str
    def __init__(self, pod_id: _Optional[str] = ..., pod_name: _Optional[str] = ..., k8s_namespace: _Optional[str] = ..., node_id: _Optional[str] = ..., pod_labels: _Optional[_Mapping[str, str]] = ..., strategies: _Optional[_Iterable[_Union[ExplainPodResponse.Considered, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[_node_pb2.Decision, _Mapping]]] = ..., node_error: _Optional[str] = ...) -> None: ...

class GetNodeMetricsRequest(_message.Message):
    __slots__ = ("node",)
    NODE_FIELD_NUMBER: _ClassVar[int]
    node: str
    def __init__(self, node: _Optional[str] = ...) -> None: ...

class NodeMetrics(_message.Message):
    __slots__ = ("node", "metric_set", "source", "pods", "time", "age")
    NODE_FIELD_NUMBER: _ClassVar[int]
    METRIC_SET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    node: str
    metric_set: _metric_pb2.MetricSet
    source: str
    pods: _containers.RepeatedCompositeFieldContainer[_metric_pb2.PodMetrics]
    time: _timestamp_pb2.Timestamp
    age: _duration_pb2.Duration
    def __init__(self, node: _Optional[str] = ..., metric_set: _Optional[_Union[_metric_pb2.MetricSet, _Mapping]] = ..., source: _Optional[str] = ..., pods: _Optional[_Iterable[_Union[_metric_pb2.PodMetrics, _Mapping]]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListNodeMetricsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListNodeMetricsResponse(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[NodeMetrics]
    def __init__(self, nodes: _Optional[_Iterable[_Union[NodeMetrics, _Mapping]]] = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = ("paused",)
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    paused: bool
    def __init__(self, paused: _Optional[bool] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ("paused",)
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    paused: bool
    def __init__(self, paused: _Optional[bool] = ...) -> None: ...

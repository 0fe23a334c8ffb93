from google.api import annotations_pb2 as _annotations_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from gthulhu.v1 import metric_pb2 as _metric_pb2
from gthulhu.v1 import node_pb2 as _node_pb2
from gthulhu.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IssueTokenRequest(_message.Message):
    __slots__ = ("public_key", "client_id", "expired_at")
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_AT_FIELD_NUMBER: _ClassVar[int]
    public_key: str
    client_id: str
    expired_at: int
    def __init__(self, public_key: _Optional[str] = ..., client_id: _Optional[str] = ..., expired_at: _Optional[int] = ...) -> None: ...

class GetSchedulingStrategiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReplaceIntentsRequest(_message.Message):
    __slots__ = ("intents",)
    class Intent(_message.Message):
        __slots__ = ("pod_name", "pod_id", "node_id", "k8s_namespace", "command_regex", "priority", "execution_time", "pod_labels")
        class PodLabelsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        POD_NAME_FIELD_NUMBER: _ClassVar[int]
        POD_ID_FIELD_NUMBER: _ClassVar[int]
        NODE_ID_FIELD_NUMBER: _ClassVar[int]
        K8S_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
        COMMAND_REGEX_FIELD_NUMBER: _ClassVar[int]
        PRIORITY_FIELD_NUMBER: _ClassVar[int]
        EXECUTION_TIME_FIELD_NUMBER: _ClassVar[int]
        POD_LABELS_FIELD_NUMBER: _ClassVar[int]
        pod_name: str
        pod_id: str
        node_id: str
        k8s_namespace: str
        command_regex: str
        priority: int
        execution_time: int
        pod_labels: _containers.ScalarMap[str, str]
        def __init__(self, pod_name: _Optional[str] = ..., pod_id: _Optional[str] = ..., node_id: _Optional[str] = ..., k8s_namespace: _Optional[str] = ..., command_regex: _Optional[str] = ..., priority: _Optional[int] = ..., execution_time: _Optional[int] = ..., pod_labels: _Optional[_Mapping[str, str]] = ...) -> None: ...
    INTENTS_FIELD_NUMBER: _ClassVar[int]
    intents: _containers.RepeatedCompositeFieldContainer[ReplaceIntentsRequest.Intent]
    def __init__(self, intents: _Optional[_Iterable[_Union[ReplaceIntentsRequest.Intent, _Mapping]]] = ...) -> None: ...

class ReplaceIntentsResponse(_message.Message):
    __slots__ = ("intents",)
    INTENTS_FIELD_NUMBER: _ClassVar[int]
    intents: int
    def __init__(self, intents: _Optional[int] = ...) -> None: ...

class ListPodPidsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportMetricsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetMetricsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

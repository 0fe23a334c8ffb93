import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gthulhu.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LabelSelector(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ScheduleStrategy(_message.Message):
    __slots__ = ("id", "name", "description", "strategy_namespace", "label_selectors", "all_pods", "k8s_namespace", "command_regex", "priority", "execution_time", "suspended", "expires_at", "creator_id", "creator", "create_time", "update_time", "etag", "state", "state_reason", "matched_pods", "warnings", "apply_set")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ScheduleStrategy.State]
        ACTIVE: _ClassVar[ScheduleStrategy.State]
        SUSPENDED: _ClassVar[ScheduleStrategy.State]
        EXPIRED: _ClassVar[ScheduleStrategy.State]
        PAUSED: _ClassVar[ScheduleStrategy.State]
    STATE_UNSPECIFIED: ScheduleStrategy.State
    ACTIVE: ScheduleStrategy.State
    SUSPENDED: ScheduleStrategy.State
    EXPIRED: ScheduleStrategy.State
    PAUSED: ScheduleStrategy.State
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    LABEL_SELECTORS_FIELD_NUMBER: _ClassVar[int]
    ALL_PODS_FIELD_NUMBER: _ClassVar[int]
    K8S_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_REGEX_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIME_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CREATOR_ID_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_REASON_FIELD_NUMBER: _ClassVar[int]
    MATCHED_PODS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    APPLY_SET_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    description: str
    strategy_namespace: str
    label_selectors: _containers.RepeatedCompositeFieldContainer[LabelSelector]
    all_pods: bool
    k8s_namespace: _containers.RepeatedScalarFieldContainer[str]
    command_regex: str
    priority: int
    execution_time: int
    suspended: bool
    expires_at: _timestamp_pb2.Timestamp
    creator_id: str
    creator: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    state: ScheduleStrategy.State
    state_reason: str
    matched_pods: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    apply_set: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., strategy_namespace: _Optional[str] = ..., label_selectors: _Optional[_Iterable[_Union[LabelSelector, _Mapping]]] = ..., all_pods: _Optional[bool] = ..., k8s_namespace: _Optional[_Iterable[str]] = ..., command_regex: _Optional[str] = ..., priority: _Optional[int] = ..., execution_time: _Optional[int] = ..., suspended: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., creator_id: _Optional[str] = ..., creator: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., state: _Optional[_Union[ScheduleStrategy.State, str]] = ..., state_reason: _Optional[str] = ..., matched_pods: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ..., apply_set: _Optional[str] = ...) -> None: ...

class CreateStrategyRequest(_message.Message):
    __slots__ = ("strategy",)
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    strategy: ScheduleStrategy
    def __init__(self, strategy: _Optional[_Union[ScheduleStrategy, _Mapping]] = ...) -> None: ...

class ListStrategiesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "strategy_namespace", "name")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    strategy_namespace: str
    name: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., strategy_namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ListOwnStrategiesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStrategiesResponse(_message.Message):
    __slots__ = ("strategies", "next_page_token")
    STRATEGIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    strategies: _containers.RepeatedCompositeFieldContainer[ScheduleStrategy]
    next_page_token: str
    def __init__(self, strategies: _Optional[_Iterable[_Union[ScheduleStrategy, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetStrategyRequest(_message.Message):
    __slots__ = ("strategy_id",)
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    strategy_id: str
    def __init__(self, strategy_id: _Optional[str] = ...) -> None: ...

class UpdateStrategyRequest(_message.Message):
    __slots__ = ("strategy_id", "name", "description", "strategy_namespace", "label_selectors", "all_pods", "k8s_namespace", "command_regex", "priority", "execution_time", "suspended", "expires_at", "etag")
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    LABEL_SELECTORS_FIELD_NUMBER: _ClassVar[int]
    ALL_PODS_FIELD_NUMBER: _ClassVar[int]
    K8S_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_REGEX_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIME_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    strategy_id: str
    name: str
    description: str
    strategy_namespace: str
    label_selectors: _containers.RepeatedCompositeFieldContainer[LabelSelector]
    all_pods: bool
    k8s_namespace: _containers.RepeatedScalarFieldContainer[str]
    command_regex: str
    priority: int
    execution_time: int
    suspended: bool
    expires_at: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, strategy_id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., strategy_namespace: _Optional[str] = ..., label_selectors: _Optional[_Iterable[_Union[LabelSelector, _Mapping]]] = ..., all_pods: _Optional[bool] = ..., k8s_namespace: _Optional[_Iterable[str]] = ..., command_regex: _Optional[str] = ..., priority: _Optional[int] = ..., execution_time: _Optional[int] = ..., suspended: _Optional[bool] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteStrategyRequest(_message.Message):
    __slots__ = ("strategy_id", "etag")
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    strategy_id: str
    etag: str
    def __init__(self, strategy_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class PreviewStrategyRequest(_message.Message):
    __slots__ = ("strategy",)
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    strategy: ScheduleStrategy
    def __init__(self, strategy: _Optional[_Union[ScheduleStrategy, _Mapping]] = ...) -> None: ...

class PreviewStrategyResponse(_message.Message):
    __slots__ = ("nodes", "matched_pods", "warnings")
    class Pod(_message.Message):
        __slots__ = ("pod_id", "pod_name", "k8s_namespace", "supersedes", "superseded_by")
        POD_ID_FIELD_NUMBER: _ClassVar[int]
        POD_NAME_FIELD_NUMBER: _ClassVar[int]
        K8S_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
        SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
        SUPERSEDED_BY_FIELD_NUMBER: _ClassVar[int]
        pod_id: str
        pod_name: str
        k8s_namespace: str
        supersedes: _containers.RepeatedScalarFieldContainer[str]
        superseded_by: str
        def __init__(self, pod_id: _Optional[str] = ..., pod_name: _Optional[str] = ..., k8s_namespace: _Optional[str] = ..., supersedes: _Optional[_Iterable[str]] = ..., superseded_by: _Optional[str] = ...) -> None: ...
    class Node(_message.Message):
        __slots__ = ("node_id", "pods")
        NODE_ID_FIELD_NUMBER: _ClassVar[int]
        PODS_FIELD_NUMBER: _ClassVar[int]
        node_id: str
        pods: _containers.RepeatedCompositeFieldContainer[PreviewStrategyResponse.Pod]
        def __init__(self, node_id: _Optional[str] = ..., pods: _Optional[_Iterable[_Union[PreviewStrategyResponse.Pod, _Mapping]]] = ...) -> None: ...
    NODES_FIELD_NUMBER: _ClassVar[int]
    MATCHED_PODS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[PreviewStrategyResponse.Node]
    matched_pods: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, nodes: _Optional[_Iterable[_Union[PreviewStrategyResponse.Node, _Mapping]]] = ..., matched_pods: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

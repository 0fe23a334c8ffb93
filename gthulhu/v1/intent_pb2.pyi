import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gthulhu.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScheduleIntent(_message.Message):
    __slots__ = ("id", "strategy_id", "pod_name", "pod_id", "node_id", "k8s_namespace", "command_regex", "priority", "execution_time", "pod_labels", "state", "state_reason", "applied_processes", "applied_threads", "superseded_by", "enforcer", "limits", "update_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ScheduleIntent.State]
        PENDING: _ClassVar[ScheduleIntent.State]
        SENT: _ClassVar[ScheduleIntent.State]
        APPLIED: _ClassVar[ScheduleIntent.State]
        SUPERSEDED: _ClassVar[ScheduleIntent.State]
        FAILED: _ClassVar[ScheduleIntent.State]
    STATE_UNSPECIFIED: ScheduleIntent.State
    PENDING: ScheduleIntent.State
    SENT: ScheduleIntent.State
    APPLIED: ScheduleIntent.State
    SUPERSEDED: ScheduleIntent.State
    FAILED: ScheduleIntent.State
    class PodLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    POD_NAME_FIELD_NUMBER: _ClassVar[int]
    POD_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    K8S_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_REGEX_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIME_FIELD_NUMBER: _ClassVar[int]
    POD_LABELS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_REASON_FIELD_NUMBER: _ClassVar[int]
    APPLIED_PROCESSES_FIELD_NUMBER: _ClassVar[int]
    APPLIED_THREADS_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_BY_FIELD_NUMBER: _ClassVar[int]
    ENFORCER_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    strategy_id: str
    pod_name: str
    pod_id: str
    node_id: str
    k8s_namespace: str
    command_regex: str
    priority: int
    execution_time: int
    pod_labels: _containers.ScalarMap[str, str]
    state: ScheduleIntent.State
    state_reason: str
    applied_processes: int
    applied_threads: int
    superseded_by: str
    enforcer: str
    limits: _containers.RepeatedScalarFieldContainer[str]
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., strategy_id: _Optional[str] = ..., pod_name: _Optional[str] = ..., pod_id: _Optional[str] = ..., node_id: _Optional[str] = ..., k8s_namespace: _Optional[str] = ..., command_regex: _Optional[str] = ..., priority: _Optional[int] = ..., execution_time: _Optional[int] = ..., pod_labels: _Optional[_Mapping[str, str]] = ..., state: _Optional[_Union[ScheduleIntent.State, str]] = ..., state_reason: _Optional[str] = ..., applied_processes: _Optional[int] = ..., applied_threads: _Optional[int] = ..., superseded_by: _Optional[str] = ..., enforcer: _Optional[str] = ..., limits: _Optional[_Iterable[str]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListIntentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "node", "namespace", "pod", "strategy", "state")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    node: str
    namespace: str
    pod: str
    strategy: str
    state: ScheduleIntent.State
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., node: _Optional[str] = ..., namespace: _Optional[str] = ..., pod: _Optional[str] = ..., strategy: _Optional[str] = ..., state: _Optional[_Union[ScheduleIntent.State, str]] = ...) -> None: ...

class ListOwnIntentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListIntentsResponse(_message.Message):
    __slots__ = ("intents", "next_page_token", "state_counts")
    class StateCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    INTENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    intents: _containers.RepeatedCompositeFieldContainer[ScheduleIntent]
    next_page_token: str
    state_counts: _containers.ScalarMap[str, int]
    def __init__(self, intents: _Optional[_Iterable[_Union[ScheduleIntent, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., state_counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class WatchIntentsRequest(_message.Message):
    __slots__ = ("node", "namespace", "strategy", "since")
    NODE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    node: str
    namespace: str
    strategy: str
    since: str
    def __init__(self, node: _Optional[str] = ..., namespace: _Optional[str] = ..., strategy: _Optional[str] = ..., since: _Optional[str] = ...) -> None: ...

class WatchIntentsResponse(_message.Message):
    __slots__ = ("cursor", "updated", "removed_id", "synced", "error")
    class Error(_message.Message):
        __slots__ = ("code", "text")
        CODE_FIELD_NUMBER: _ClassVar[int]
        TEXT_FIELD_NUMBER: _ClassVar[int]
        code: str
        text: str
        def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_ID_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    updated: ScheduleIntent
    removed_id: str
    synced: bool
    error: WatchIntentsResponse.Error
    def __init__(self, cursor: _Optional[str] = ..., updated: _Optional[_Union[ScheduleIntent, _Mapping]] = ..., removed_id: _Optional[str] = ..., synced: _Optional[bool] = ..., error: _Optional[_Union[WatchIntentsResponse.Error, _Mapping]] = ...) -> None: ...

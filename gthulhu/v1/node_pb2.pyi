from gthulhu.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Process(_message.Message):
    __slots__ = ("pid", "ppid", "comm", "command", "container_id", "threads")
    PID_FIELD_NUMBER: _ClassVar[int]
    PPID_FIELD_NUMBER: _ClassVar[int]
    COMM_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    pid: int
    ppid: int
    comm: str
    command: str
    container_id: str
    threads: int
    def __init__(self, pid: _Optional[int] = ..., ppid: _Optional[int] = ..., comm: _Optional[str] = ..., command: _Optional[str] = ..., container_id: _Optional[str] = ..., threads: _Optional[int] = ...) -> None: ...

class PodProcesses(_message.Message):
    __slots__ = ("pod_id", "pod_name", "k8s_namespace", "processes")
    POD_ID_FIELD_NUMBER: _ClassVar[int]
    POD_NAME_FIELD_NUMBER: _ClassVar[int]
    K8S_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    pod_id: str
    pod_name: str
    k8s_namespace: str
    processes: _containers.RepeatedCompositeFieldContainer[Process]
    def __init__(self, pod_id: _Optional[str] = ..., pod_name: _Optional[str] = ..., k8s_namespace: _Optional[str] = ..., processes: _Optional[_Iterable[_Union[Process, _Mapping]]] = ...) -> None: ...

class ListPodProcessesRequest(_message.Message):
    __slots__ = ("pod_uid",)
    POD_UID_FIELD_NUMBER: _ClassVar[int]
    pod_uid: str
    def __init__(self, pod_uid: _Optional[str] = ...) -> None: ...

class ListPodProcessesResponse(_message.Message):
    __slots__ = ("pods",)
    PODS_FIELD_NUMBER: _ClassVar[int]
    pods: _containers.RepeatedCompositeFieldContainer[PodProcesses]
    def __init__(self, pods: _Optional[_Iterable[_Union[PodProcesses, _Mapping]]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("pid", "comm", "pod_id", "intent_id", "strategy_id", "priority", "execution_time", "levers", "limit", "threads", "cpu_share", "wait_share")
    PID_FIELD_NUMBER: _ClassVar[int]
    COMM_FIELD_NUMBER: _ClassVar[int]
    POD_ID_FIELD_NUMBER: _ClassVar[int]
    INTENT_ID_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIME_FIELD_NUMBER: _ClassVar[int]
    LEVERS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    CPU_SHARE_FIELD_NUMBER: _ClassVar[int]
    WAIT_SHARE_FIELD_NUMBER: _ClassVar[int]
    pid: int
    comm: str
    pod_id: str
    intent_id: str
    strategy_id: str
    priority: int
    execution_time: int
    levers: _containers.RepeatedScalarFieldContainer[str]
    limit: str
    threads: int
    cpu_share: float
    wait_share: float
    def __init__(self, pid: _Optional[int] = ..., comm: _Optional[str] = ..., pod_id: _Optional[str] = ..., intent_id: _Optional[str] = ..., strategy_id: _Optional[str] = ..., priority: _Optional[int] = ..., execution_time: _Optional[int] = ..., levers: _Optional[_Iterable[str]] = ..., limit: _Optional[str] = ..., threads: _Optional[int] = ..., cpu_share: _Optional[float] = ..., wait_share: _Optional[float] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("pod_uid",)
    POD_UID_FIELD_NUMBER: _ClassVar[int]
    pod_uid: str
    def __init__(self, pod_uid: _Optional[str] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    def __init__(self, decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ...) -> None: ...

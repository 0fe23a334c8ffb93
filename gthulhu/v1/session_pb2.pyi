import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gthulhu.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Intent(_message.Message):
    __slots__ = ("id", "version", "strategy_id", "strategy_create_time", "pod_uid", "pod_name", "namespace", "labels", "command_regex", "priority", "execution_time")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ID_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    POD_UID_FIELD_NUMBER: _ClassVar[int]
    POD_NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COMMAND_REGEX_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: str
    strategy_id: str
    strategy_create_time: _timestamp_pb2.Timestamp
    pod_uid: str
    pod_name: str
    namespace: str
    labels: _containers.ScalarMap[str, str]
    command_regex: str
    priority: int
    execution_time: int
    def __init__(self, id: _Optional[str] = ..., version: _Optional[str] = ..., strategy_id: _Optional[str] = ..., strategy_create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pod_uid: _Optional[str] = ..., pod_name: _Optional[str] = ..., namespace: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., command_regex: _Optional[str] = ..., priority: _Optional[int] = ..., execution_time: _Optional[int] = ...) -> None: ...

class Revisions(_message.Message):
    __slots__ = ("store", "inventory", "inventory_source")
    STORE_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    store: int
    inventory: int
    inventory_source: str
    def __init__(self, store: _Optional[int] = ..., inventory: _Optional[int] = ..., inventory_source: _Optional[str] = ...) -> None: ...

class StreamIntentsRequest(_message.Message):
    __slots__ = ("hello", "ack", "applied", "reauth")
    class Hello(_message.Message):
        __slots__ = ("node", "boot_id", "agent_version", "agent_address", "held", "revisions", "capabilities")
        class HeldEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        NODE_FIELD_NUMBER: _ClassVar[int]
        BOOT_ID_FIELD_NUMBER: _ClassVar[int]
        AGENT_VERSION_FIELD_NUMBER: _ClassVar[int]
        AGENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
        HELD_FIELD_NUMBER: _ClassVar[int]
        REVISIONS_FIELD_NUMBER: _ClassVar[int]
        CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
        node: str
        boot_id: str
        agent_version: str
        agent_address: str
        held: _containers.ScalarMap[str, str]
        revisions: Revisions
        capabilities: StreamIntentsRequest.Capabilities
        def __init__(self, node: _Optional[str] = ..., boot_id: _Optional[str] = ..., agent_version: _Optional[str] = ..., agent_address: _Optional[str] = ..., held: _Optional[_Mapping[str, str]] = ..., revisions: _Optional[_Union[Revisions, _Mapping]] = ..., capabilities: _Optional[_Union[StreamIntentsRequest.Capabilities, _Mapping]] = ...) -> None: ...
    class Capabilities(_message.Message):
        __slots__ = ("enforcer", "reason", "levers", "min_slice", "max_slice")
        ENFORCER_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        LEVERS_FIELD_NUMBER: _ClassVar[int]
        MIN_SLICE_FIELD_NUMBER: _ClassVar[int]
        MAX_SLICE_FIELD_NUMBER: _ClassVar[int]
        enforcer: str
        reason: str
        levers: _containers.RepeatedScalarFieldContainer[str]
        min_slice: int
        max_slice: int
        def __init__(self, enforcer: _Optional[str] = ..., reason: _Optional[str] = ..., levers: _Optional[_Iterable[str]] = ..., min_slice: _Optional[int] = ..., max_slice: _Optional[int] = ...) -> None: ...
    class Ack(_message.Message):
        __slots__ = ("nonce", "rejected")
        NONCE_FIELD_NUMBER: _ClassVar[int]
        REJECTED_FIELD_NUMBER: _ClassVar[int]
        nonce: str
        rejected: _containers.RepeatedCompositeFieldContainer[StreamIntentsRequest.Rejection]
        def __init__(self, nonce: _Optional[str] = ..., rejected: _Optional[_Iterable[_Union[StreamIntentsRequest.Rejection, _Mapping]]] = ...) -> None: ...
    class Rejection(_message.Message):
        __slots__ = ("intent_id", "version", "reason")
        INTENT_ID_FIELD_NUMBER: _ClassVar[int]
        VERSION_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        intent_id: str
        version: str
        reason: str
        def __init__(self, intent_id: _Optional[str] = ..., version: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
    class Applied(_message.Message):
        __slots__ = ("intents", "enforcer")
        class Intent(_message.Message):
            __slots__ = ("intent_id", "version", "processes", "threads", "superseded_by", "limits", "failure")
            INTENT_ID_FIELD_NUMBER: _ClassVar[int]
            VERSION_FIELD_NUMBER: _ClassVar[int]
            PROCESSES_FIELD_NUMBER: _ClassVar[int]
            THREADS_FIELD_NUMBER: _ClassVar[int]
            SUPERSEDED_BY_FIELD_NUMBER: _ClassVar[int]
            LIMITS_FIELD_NUMBER: _ClassVar[int]
            FAILURE_FIELD_NUMBER: _ClassVar[int]
            intent_id: str
            version: str
            processes: int
            threads: int
            superseded_by: str
            limits: _containers.RepeatedScalarFieldContainer[str]
            failure: str
            def __init__(self, intent_id: _Optional[str] = ..., version: _Optional[str] = ..., processes: _Optional[int] = ..., threads: _Optional[int] = ..., superseded_by: _Optional[str] = ..., limits: _Optional[_Iterable[str]] = ..., failure: _Optional[str] = ...) -> None: ...
        INTENTS_FIELD_NUMBER: _ClassVar[int]
        ENFORCER_FIELD_NUMBER: _ClassVar[int]
        intents: _containers.RepeatedCompositeFieldContainer[StreamIntentsRequest.Applied.Intent]
        enforcer: str
        def __init__(self, intents: _Optional[_Iterable[_Union[StreamIntentsRequest.Applied.Intent, _Mapping]]] = ..., enforcer: _Optional[str] = ...) -> None: ...
    class Reauth(_message.Message):
        __slots__ = ("token",)
        TOKEN_FIELD_NUMBER: _ClassVar[int]
        token: str
        def __init__(self, token: _Optional[str] = ...) -> None: ...
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    REAUTH_FIELD_NUMBER: _ClassVar[int]
    hello: StreamIntentsRequest.Hello
    ack: StreamIntentsRequest.Ack
    applied: StreamIntentsRequest.Applied
    reauth: StreamIntentsRequest.Reauth
    def __init__(self, hello: _Optional[_Union[StreamIntentsRequest.Hello, _Mapping]] = ..., ack: _Optional[_Union[StreamIntentsRequest.Ack, _Mapping]] = ..., applied: _Optional[_Union[StreamIntentsRequest.Applied, _Mapping]] = ..., reauth: _Optional[_Union[StreamIntentsRequest.Reauth, _Mapping]] = ...) -> None: ...

class StreamIntentsResponse(_message.Message):
    __slots__ = ("delta", "digest", "drain")
    class Delta(_message.Message):
        __slots__ = ("nonce", "chunk", "chunks", "set", "removed", "revisions")
        NONCE_FIELD_NUMBER: _ClassVar[int]
        CHUNK_FIELD_NUMBER: _ClassVar[int]
        CHUNKS_FIELD_NUMBER: _ClassVar[int]
        SET_FIELD_NUMBER: _ClassVar[int]
        REMOVED_FIELD_NUMBER: _ClassVar[int]
        REVISIONS_FIELD_NUMBER: _ClassVar[int]
        nonce: str
        chunk: int
        chunks: int
        set: _containers.RepeatedCompositeFieldContainer[Intent]
        removed: _containers.RepeatedScalarFieldContainer[str]
        revisions: Revisions
        def __init__(self, nonce: _Optional[str] = ..., chunk: _Optional[int] = ..., chunks: _Optional[int] = ..., set: _Optional[_Iterable[_Union[Intent, _Mapping]]] = ..., removed: _Optional[_Iterable[str]] = ..., revisions: _Optional[_Union[Revisions, _Mapping]] = ...) -> None: ...
    class Digest(_message.Message):
        __slots__ = ("digest", "intents")
        DIGEST_FIELD_NUMBER: _ClassVar[int]
        INTENTS_FIELD_NUMBER: _ClassVar[int]
        digest: str
        intents: int
        def __init__(self, digest: _Optional[str] = ..., intents: _Optional[int] = ...) -> None: ...
    class Drain(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    DELTA_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    delta: StreamIntentsResponse.Delta
    digest: StreamIntentsResponse.Digest
    drain: StreamIntentsResponse.Drain
    def __init__(self, delta: _Optional[_Union[StreamIntentsResponse.Delta, _Mapping]] = ..., digest: _Optional[_Union[StreamIntentsResponse.Digest, _Mapping]] = ..., drain: _Optional[_Union[StreamIntentsResponse.Drain, _Mapping]] = ...) -> None: ...

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gthulhu.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EnrollRequest(_message.Message):
    __slots__ = ("csr", "service_account_token", "join_token")
    CSR_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    JOIN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    csr: bytes
    service_account_token: str
    join_token: str
    def __init__(self, csr: _Optional[bytes] = ..., service_account_token: _Optional[str] = ..., join_token: _Optional[str] = ...) -> None: ...

class EnrollResponse(_message.Message):
    __slots__ = ("node", "certificate_chain", "node_token", "expires_at")
    NODE_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_CHAIN_FIELD_NUMBER: _ClassVar[int]
    NODE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    node: str
    certificate_chain: str
    node_token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, node: _Optional[str] = ..., certificate_chain: _Optional[str] = ..., node_token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

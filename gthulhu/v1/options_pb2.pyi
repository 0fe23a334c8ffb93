from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Presentation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRESENTATION_UNSPECIFIED: _ClassVar[Presentation]
    PRESENTATION_BARE: _ClassVar[Presentation]
PRESENTATION_UNSPECIFIED: Presentation
PRESENTATION_BARE: Presentation
ACCESS_FIELD_NUMBER: _ClassVar[int]
access: _descriptor.FieldDescriptor
PRESENTATION_FIELD_NUMBER: _ClassVar[int]
presentation: _descriptor.FieldDescriptor

class Access(_message.Message):
    __slots__ = ("public", "authenticated", "permission", "peer", "scope")
    class Peer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PEER_UNSPECIFIED: _ClassVar[Access.Peer]
        AGENT: _ClassVar[Access.Peer]
        MANAGER: _ClassVar[Access.Peer]
    PEER_UNSPECIFIED: Access.Peer
    AGENT: Access.Peer
    MANAGER: Access.Peer
    class TokenScope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TOKEN_SCOPE_UNSPECIFIED: _ClassVar[Access.TokenScope]
        SCHEDULER: _ClassVar[Access.TokenScope]
        MANAGER_CLIENT: _ClassVar[Access.TokenScope]
    TOKEN_SCOPE_UNSPECIFIED: Access.TokenScope
    SCHEDULER: Access.TokenScope
    MANAGER_CLIENT: Access.TokenScope
    PUBLIC_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATED_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    public: bool
    authenticated: bool
    permission: str
    peer: Access.Peer
    scope: Access.TokenScope
    def __init__(self, public: _Optional[bool] = ..., authenticated: _Optional[bool] = ..., permission: _Optional[str] = ..., peer: _Optional[_Union[Access.Peer, str]] = ..., scope: _Optional[_Union[Access.TokenScope, str]] = ...) -> None: ...

"""Makes protovalidate's rule definitions known to google.protobuf, in place of buf/validate/validate_pb2.

The generated modules import this where the schema imports buf/validate/validate.proto. protovalidate carries that
file's descriptor in its own runtime's form; registering the same descriptor keeps one definition of the rules.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2
from protovalidate._gen.buf.validate import validate_pb

_IMPORTS = (
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    timestamp_pb2,
)  # in the pool before the file that imports them

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(validate_pb.desc().proto.to_binary())

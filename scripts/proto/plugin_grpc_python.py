"""A protoc plug-in that answers with grpcio-tools' built-in generator for gRPC stubs.

buf speaks the plug-in protocol of protoc: a CodeGeneratorRequest on standard input, a CodeGeneratorResponse on
standard output (google/protobuf/compiler/plugin.proto).
"""

import pathlib
import sys
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from grpc_tools import protoc


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """Run the built-in generator over the request's files, and return what it wrote."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        schema, output = folder / "schema.binpb", folder / "output"
        output.mkdir()
        schema.write_bytes(descriptor_pb2.FileDescriptorSet(file=request.proto_file).SerializeToString())
        code = protoc.main(
            ["protoc", f"--descriptor_set_in={schema}", f"--grpc_python_out={output}", *request.file_to_generate]
        )
        if code:
            response.error = f"grpc_tools.protoc exited with {code}"
        for path in sorted(output.rglob("*.py")):
            response.file.add(name=str(path.relative_to(output)), content=path.read_text())
    return response


if __name__ == "__main__":
    answer = generate(plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(answer.SerializeToString())

"""The gRPC services: where protobuf messages become the domain's, and back."""

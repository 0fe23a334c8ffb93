"""What users do from a terminal: log in, read, apply, delete; over gRPC through the gateway."""

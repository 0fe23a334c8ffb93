"""What the agent answers: managers over gRPC, and an external scheduler through its own gateway."""

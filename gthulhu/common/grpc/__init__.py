"""What every gRPC server and client here has in common."""

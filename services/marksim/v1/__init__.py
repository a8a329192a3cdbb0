"""Generated protobuf and gRPC stubs; made by `make proto`, never edited."""

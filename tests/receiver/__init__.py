"""The receiver, held to its contract on real sockets."""

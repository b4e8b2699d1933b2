"""Measures the receiver beside its peers; see `tests.bench.receiver.__main__`."""

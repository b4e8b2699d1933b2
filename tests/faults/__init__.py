"""What the operator is made to survive: crashes, lost events, stale reads, errors, rivals and nonsense, counted."""

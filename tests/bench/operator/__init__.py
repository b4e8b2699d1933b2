"""How much the operator costs, measured on a real API server: time, writes, CPU and memory against endpoints."""

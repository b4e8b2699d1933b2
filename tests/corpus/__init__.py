"""The corpus of manifests that the API server and Hookgate's own checks must judge alike."""

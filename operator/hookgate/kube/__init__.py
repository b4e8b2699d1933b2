"""The one Kubernetes client of the project, shared by both planes: connect, list and watch, apply, lease."""

// The CustomResourceDefinitions of Prometheus operator, which its Go module carries; see ../../definitions.py.
// Nothing here is compiled, so there is no Go file: do not run "go mod tidy", it would drop the requirement.
module hookgate.test/binaries/prometheus-operator

go 1.25.0

require github.com/prometheus-operator/prometheus-operator v0.85.0

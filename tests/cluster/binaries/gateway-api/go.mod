// The Gateway API's CustomResourceDefinitions, which its Go module carries; see ../../binaries.py.
// Nothing here is compiled, so there is no Go file: do not run "go mod tidy", it would drop the requirement.
module hookgate.test/binaries/gateway-api

go 1.25.0

require sigs.k8s.io/gateway-api v1.3.0

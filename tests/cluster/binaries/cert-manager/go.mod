// The CustomResourceDefinitions of cert-manager, which its Go module carries; see ../../definitions.py.
// Nothing here is compiled, so there is no Go file: do not run "go mod tidy", it would drop the requirement.
module hookgate.test/binaries/cert-manager

go 1.25.0

require github.com/cert-manager/cert-manager v1.21.2

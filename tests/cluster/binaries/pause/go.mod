// The process that holds a pod's namespaces open; see ../../binaries.py.
module hookgate.test/binaries/pause

go 1.25.0

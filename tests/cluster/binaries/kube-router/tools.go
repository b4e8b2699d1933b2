//go:build tools

// Package tools keeps the program that enforces network policies as a requirement of this module.
package tools

import _ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"

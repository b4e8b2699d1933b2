//go:build tools

// Package tools keeps the program that installs the chart as a requirement of this module.
package tools

import _ "helm.sh/helm/v4/cmd/helm"

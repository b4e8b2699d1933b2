//go:build tools

// Package tools keeps the program that the tests build as a requirement of this module.
package tools

import _ "github.com/projectcontour/contour/cmd/contour"

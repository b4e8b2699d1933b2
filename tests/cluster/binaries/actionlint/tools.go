//go:build tools

// Package tools keeps the program that checks the release workflow as a requirement of this module.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"

// Command promrules reads alerting rules from standard input and tells what Prometheus would say against them.
// It prints the names of the metrics that the expressions use, one a line; it exits with 1 where a rule is wrong.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	expressions := parser.NewParser(parser.Options{})
	groups, faults := rulefmt.Parse(text, false, model.UTF8Validation, expressions, slog.New(slog.DiscardHandler))
	if len(faults) > 0 {
		fail(faults...)
	}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			expression, err := expressions.ParseExpr(rule.Expr)
			if err != nil {
				fail(err)
			}
			parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
				if selector, is := node.(*parser.VectorSelector); is {
					fmt.Println(selector.Name)
				}
				return nil
			})
		}
	}
}

func fail(faults ...error) {
	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, fault)
	}
	os.Exit(1)
}

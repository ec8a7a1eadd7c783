// Command clrnode runs a node for Comprehensive Learner Records.
package main

import (
	"context"
	"os"

	"clrnode/node/cli"
)

func main() { os.Exit(cli.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

//go:build !linux

package network

import "syscall"

// leash is for Linux alone: elsewhere a process outlives one that was killed.
func leash() *syscall.SysProcAttr { return nil }

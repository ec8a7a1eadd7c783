package network

import "syscall"

// leash makes a process end with the one that started it.
func leash() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

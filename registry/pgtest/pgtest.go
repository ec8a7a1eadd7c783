// Package pgtest gives tests a real PostgreSQL: [Database] an empty database on a
// server that the tests of a package share, [Start] a server of one's own.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database makes a new, empty database and returns its URL. All tests of a package
// share one server, which ends with the test program, however that ends. Where
// PostgreSQL isn't installed the test is skipped.
func Database(t testing.TB) string {
	t.Helper()
	bin := programs(t)
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "clrnode-postgres-")
		if err == nil {
			shared.server = &Server{bin: bin, dir: dir, fsync: "off"}
			err = shared.server.make()
		}
		if err == nil {
			err = shared.server.start()
		}
		shared.err = err
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.Database(t)
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// A Server is a PostgreSQL server of one test alone, which may be stopped, killed
// and started again.
type Server struct {
	bin, dir string
	fsync    string
	small    string // how large a disk of its own it has, with a unit; "" for none
	smallLog bool   // its log of writes lies there, not its databases
	running  *exec.Cmd
	leash    io.WriteCloser // the server runs as long as this is open
}

// Start starts a server that ends with the test, and writes to the disk as
// one in use does. Where PostgreSQL isn't installed the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{bin: programs(t), fsync: "on"}
	var err error
	if s.dir, err = os.MkdirTemp("", "clrnode-postgres-"); err != nil { // t.TempDir is closed to the user that the server runs as
		t.Fatal(err)
	}
	if err := s.make(); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	t.Cleanup(func() { s.Stop(); os.RemoveAll(s.dir) })
	return s
}

// programs is the folder of PostgreSQL's programs, the newest that are installed.
func programs(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		t.Skip("SKIP: PostgreSQL is not installed, so nothing of it is tested: install Debian's package postgresql, or put initdb on the PATH")
	}
	slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
	return filepath.Dir(found[len(found)-1])
}

// make makes the server's files.
func (s *Server) make() error {
	if c := credential(); c != nil {
		if err := os.Chown(s.dir, int(c.Uid), int(c.Gid)); err != nil {
			return err
		}
	}
	if err := os.Chmod(s.dir, 0o700); err != nil {
		return err
	}
	args := []string{"-D", filepath.Join(s.dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"}
	if s.smallLog {
		args = append(args, "--wal-segsize=1") // what it has made for later is full soon
	}
	cmd := s.command(filepath.Join(s.bin, "initdb"), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// command runs as another user than root, whom PostgreSQL refuses.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(), Setpgid: true}
	return cmd
}

func credential() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.ParseUint(u.Uid, 10, 32)
			gid, _ := strconv.ParseUint(u.Gid, 10, 32)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return nil
}

// start runs the server below a shell that stops it once the other end of its
// standard input is gone. A server that was killed may have processes left, beside
// which no other starts: the shell tries again.
func (s *Server) start() error {
	end := ""
	if s == shared.server {
		end = `rm -rf "$1"`
	}
	script := `rm -f "$1/stop"
exec 3<&0
(read -r _ <&3; touch "$1/stop"; kill -INT "$(cat "$1/pid")") 2>/dev/null &
while [ ! -e "$1/stop" ]; do
	"$0" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=` + s.fsync + ` -c shared_buffers=64MB -c max_connections=200 -c autovacuum_naptime=5s` + s.more() + ` >>"$1/log" 2>&1 </dev/null 3<&- &
	echo $! >"$1/pid"
	wait $!
	sleep 0.05
done
` + end
	s.running = s.command("/bin/sh", "-c", script, filepath.Join(s.bin, "postgres"), s.dir)
	if s.small != "" {
		s.running = s.withSmallDisk(script)
	}
	var err error
	if s.leash, err = s.running.StdinPipe(); err != nil {
		return err
	}
	if err := s.running.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the server doesn't start: %w\n%s", err, log)
		}
	}
}

// StartWithSmallDisk is Start for a server whose databases lie on a disk of their own of
// this size, such as 64m; its log of writes doesn't. It isn't to be stopped and started
// again. Where nobody may mount a disk, or who runs the test isn't root, it is skipped.
func StartWithSmallDisk(t testing.TB, size string) *Server {
	t.Helper()
	s := startOnSmallDisk(t, &Server{small: size})
	c, err := pgx.Connect(context.Background(), s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), "CREATE TABLESPACE small LOCATION '"+filepath.Join(s.dir, "small")+"'"); err != nil {
		t.Fatal(err)
	}
	return s
}

// StartWithSmallLog is StartWithSmallDisk the other way round: the small disk holds the
// log of writes alone. Where it is full PostgreSQL ends; it is started again, as a
// machine's service manager does, until it runs.
func StartWithSmallLog(t testing.TB, size string) *Server {
	t.Helper()
	return startOnSmallDisk(t, &Server{small: size, smallLog: true})
}

func startOnSmallDisk(t testing.TB, s *Server) *Server {
	t.Helper()
	s.bin, s.fsync = programs(t), "on"
	if credential() == nil || exec.Command("unshare", "--mount", "/bin/sh", "-c", "mount -t tmpfs -o size=1m none /mnt && setpriv --version").Run() != nil {
		t.Skip("SKIP: this machine lets nobody mount a disk of their own: run as root, with unshare and setpriv of util-linux")
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "clrnode-postgres-"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, "small"), 0o700), s.make()); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	t.Cleanup(func() { s.Stop(); os.RemoveAll(s.dir) })
	return s
}

// more are settings of a server whose log has little room.
func (s *Server) more() string {
	if s.smallLog {
		return " -c min_wal_size=2MB -c max_wal_size=8MB"
	}
	return ""
}

// withSmallDisk runs script, as the server's user, where a small disk is mounted that
// nobody else sees.
func (s *Server) withSmallDisk(script string) *exec.Cmd {
	if s.smallLog {
		script = `mv "$1/data/pg_wal" "$1/small/" && ln -s "$1/small/pg_wal" "$1/data/pg_wal"
` + script
	}
	user := credential()
	uid, gid := strconv.Itoa(int(user.Uid)), strconv.Itoa(int(user.Gid))
	cmd := exec.Command("unshare", "--mount", "/bin/sh", "-c",
		`mount -t tmpfs -o size="$2",mode=700,uid="$3",gid="$4" none "$1/small" && exec setpriv --reuid "$3" --regid "$4" --clear-groups /bin/sh -c "$5" "$0" "$1"`,
		filepath.Join(s.bin, "postgres"), s.dir, s.small, uid, gid, script)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Fill fills the server's small disk up, until the function that it returns is called.
func (s *Server) Fill(t testing.TB) (free func()) {
	t.Helper()
	// Through the shell, which stays when the server ends and is started again.
	path := filepath.Join("/proc", strconv.Itoa(s.running.Process.Pid), "root", s.dir, "small", "fill")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<12)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	f.Close()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// Start starts the server.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Stop stops the server, breaking off what it does. It may be started again.
func (s *Server) Stop() {
	s.leash.Close()
	s.running.Wait()
}

// Kill kills the server and all its processes on the spot, as a power failure does
// to them. It may be started again.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	pid := s.pid(t)
	if err := os.WriteFile(filepath.Join(s.dir, "stop"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL) // the others see that, and end
	s.Stop()
}

// Freeze stops the server's processes in the middle of what they do: it takes connections
// and answers nothing, until the function that Freeze returns is called, or the test ends.
func (s *Server) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	pid := s.pid(t)
	all := []int{pid}
	signal := func(sig syscall.Signal) {
		for _, pid := range all {
			syscall.Kill(pid, sig)
		}
	}
	signal(syscall.SIGSTOP) // it makes no more processes then
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		signal(syscall.SIGCONT)
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(children)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, child)
	}
	signal(syscall.SIGSTOP)
	var once sync.Once
	thaw = func() { once.Do(func() { signal(syscall.SIGCONT) }) }
	t.Cleanup(thaw)
	return thaw
}

// pid is the id of the server's first process.
func (s *Server) pid(t testing.TB) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func (s *Server) url(database string) string {
	return "postgres://postgres@/" + database + "?host=" + s.dir
}

var databases atomic.Int32

// Database makes a new, empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	c, err := pgx.Connect(context.Background(), s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	name := fmt.Sprintf("t%d", databases.Add(1))
	how := ""
	if s.small != "" && !s.smallLog {
		how = " TABLESPACE small"
	}
	if _, err := c.Exec(context.Background(), "CREATE DATABASE "+name+how); err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}

// Copy makes a database that holds what another one of the shared server holds,
// to which nobody is connected, and returns its URL.
func Copy(t testing.TB, url string) string {
	t.Helper()
	from, _, _ := strings.Cut(strings.TrimPrefix(url, "postgres://postgres@/"), "?")
	c, err := pgx.Connect(context.Background(), shared.server.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	name := fmt.Sprintf("t%d", databases.Add(1))
	for tries := 0; ; tries++ { // the server notices a little later that a program has ended
		if _, err = c.Exec(context.Background(), "CREATE DATABASE "+name+" TEMPLATE "+from); err == nil {
			return shared.server.url(name)
		}
		if tries == 100 {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

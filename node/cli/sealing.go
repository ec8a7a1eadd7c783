package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"clrnode/registry"
)

// A sealing is the sealing key of a store, and where it came from.
type sealing struct {
	registry.Sealer
	file string // that holds the key; "" of a passphrase
}

// The names under which systemd hands over a sealing key, a passphrase or the PIN of tokens
// (LoadCredential=, systemd.exec(5)).
const (
	credentialKey        = "clrnode.key"
	credentialPassphrase = "clrnode.passphrase"
	credentialPIN        = "clrnode.pin"
)

// sealingKeyFile is the key file in the data folder, which is made where nobody says
// where the sealing key comes from.
const sealingKeyFile = "sealing.key"

// minPassphrase is how long a new passphrase has to be, in bytes. Who has a copy of the
// store can try as many as Argon2id lets him, for years.
const minPassphrase = 15

// A sealSource is where an operator says that a sealing key comes from: at most one of
// its fields is set.
type sealSource struct {
	file       string // that holds the key
	passphrase string // file that holds a passphrase
	ask        bool   // for a passphrase
}

// sealSource is what the configuration says, then what systemd hands over. The zero
// sealSource is of who says nothing.
func (c Config) sealSource() (sealSource, error) {
	s := sealSource{c.KeyFile, c.PassphraseFile, c.AskPassphrase}
	if err := s.one("--key-file, --passphrase-file and --ask-passphrase"); err != nil || s != (sealSource{}) {
		return s, err
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return s, nil
	}
	if path := filepath.Join(dir, credentialKey); exists(path) {
		s.file = path
	}
	if path := filepath.Join(dir, credentialPassphrase); exists(path) {
		s.passphrase = path
	}
	return s, s.one("the systemd credentials " + credentialKey + " and " + credentialPassphrase)
}

// one refuses more than one source, of those that are called names.
func (s sealSource) one(names string) error {
	given := 0
	for _, is := range []bool{s.file != "", s.passphrase != "", s.ask} {
		if is {
			given++
		}
	}
	if given > 1 {
		return usage("of " + names + " give one only: a store has one sealing key")
	}
	return nil
}

// keyFile is the key file of who says nothing of a passphrase or systemd.
func (c Config) keyFile() string {
	return cmp.Or(c.KeyFile, filepath.Join(c.Data, sealingKeyFile))
}

// pinFile is the file with the PIN of tokens, or what systemd hands over; "" if there is
// none. It is made absolute, as sentences name it.
func (c Config) pinFile() (string, error) {
	if c.PINFile != "" {
		return filepath.Abs(c.PINFile)
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && exists(filepath.Join(dir, credentialPIN)) {
		return filepath.Join(dir, credentialPIN), nil
	}
	return "", nil
}

// sealedUnder says in words what opens the store, as far as a command can know.
func (c Config) sealedUnder() string {
	s, err := c.sealSource()
	switch {
	case err == nil && s.file != "":
		return s.file
	case err == nil && s == (sealSource{}) && exists(c.keyFile()):
		return c.keyFile()
	}
	return "the key or the passphrase"
}

// warnOfReaders warns of a key file or passphrase that everybody on the machine may read. It
// is no error: in a container nobody else may be there.
func (c Config) warnOfReaders(log *slog.Logger) {
	s, err := c.sealSource()
	if err == nil && s == (sealSource{}) {
		s.file = c.keyFile()
	}
	path := cmp.Or(s.file, s.passphrase)
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		log.Warn("everybody on this machine can read what the private keys are sealed under: take that away, as chmod 600 does", "file", path)
	}
}

func (s sealSource) isPassphrase() bool { return s.passphrase != "" || s.ask }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sealing finds the key that seals the store, or that is to seal an empty one.
func (c Config) sealing(ctx context.Context, db *registry.DB) (sealing, error) {
	s, err := c.sealSource()
	if err != nil {
		return sealing{}, err
	}
	empty, err := db.NothingSealed(ctx)
	if err != nil {
		return sealing{}, err
	}
	stretch, err := db.Stretch(ctx)
	if errors.Is(err, registry.ErrNotFound) && empty && s.isPassphrase() {
		stretch, err = db.MakeStretch(ctx, false)
	}
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return sealing{}, err
	}
	return c.sealingFrom(s, stretch, empty)
}

// sealingFrom makes the sealing key of a store whose passphrase is stretched so; of one
// without a passphrase stretch is zero. empty tells that the key is a new store's.
func (c Config) sealingFrom(s sealSource, stretch registry.Stretch, empty bool) (sealing, error) {
	stretched := stretch.Salt != nil
	switch {
	case stretched && s == (sealSource{}) && !empty:
		s.ask = true
	case s == (sealSource{}):
		s.file = c.keyFile()
	}
	switch {
	case s.isPassphrase() && !stretched:
		return sealing{}, errors.New("this store is sealed under a key file, not a passphrase: start without a passphrase, and with the key file if it isn't in --data. clrnode reseal changes it")
	case s.isPassphrase():
		passphrase, err := c.passphrase(s, empty)
		if err != nil {
			return sealing{}, err
		}
		sealer, err := stretch.Sealer(passphrase)
		return sealing{Sealer: sealer}, err
	case stretched && !empty:
		return sealing{}, fmt.Errorf("this store is sealed under a passphrase, not the key file %s: start with --passphrase-file FILE, or on a terminal without --key-file", s.file)
	}
	sealer, err := registry.LoadSealer(s.file, empty)
	if errors.Is(err, os.ErrNotExist) {
		return sealing{}, fmt.Errorf("the key file %s is missing, and the store's keys are sealed under it: put it back, or name it with --key-file: %w", s.file, os.ErrNotExist)
	}
	return sealing{sealer, s.file}, err
}

// passphrase reads the passphrase, or asks for it: twice where it is a new one.
func (c Config) passphrase(s sealSource, isNew bool) ([]byte, error) {
	if s.passphrase != "" {
		return readPassphrase(s.passphrase, isNew)
	}
	if c.ask == nil {
		return nil, usage("the store is sealed under a passphrase, and there is no terminal to ask for it: give it with --passphrase-file FILE")
	}
	if !isNew {
		return c.ask("Passphrase of the sealing key: ")
	}
	one, err := c.ask("New passphrase for the sealing key: ")
	if err != nil {
		return nil, err
	}
	if err := longEnough(one, isNew); err != nil {
		return nil, err
	}
	again, err := c.ask("Again: ")
	if err == nil && !bytes.Equal(one, again) {
		err = usage("the two passphrases differ: nothing was changed, try again")
	}
	return one, err
}

// readPassphrase reads the one line of a file.
func readPassphrase(path string, isNew bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 4097))
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
	if len(line) == 0 || len(line) > 4096 || bytes.ContainsAny(line, "\r\n\x00") {
		return nil, fmt.Errorf("the passphrase file %s has to hold one line, of at most 4096 bytes", path)
	}
	return line, longEnough(line, isNew)
}

func longEnough(passphrase []byte, isNew bool) error {
	if isNew && len(passphrase) < minPassphrase {
		return usage(fmt.Sprintf("the passphrase is too short: give it at least %d characters, several words for instance", minPassphrase))
	}
	return nil
}

// asker asks on a terminal, where nobody sees what is typed; nil where in is none.
func asker(in io.Reader, out io.Writer) func(prompt string) ([]byte, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(prompt string) ([]byte, error) {
		fmt.Fprint(out, prompt)
		line, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(out)
		if err != nil {
			return nil, fmt.Errorf("ask for the passphrase: %w", err)
		}
		if len(line) == 0 {
			return nil, usage("no passphrase was given")
		}
		return line, nil
	}
}

package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// sentence says what the database answered in words that tell what to do. It never
// holds a password: the database doesn't say them, and addresses are left out.
func (e *pgEngine) sentence(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		return err
	}
	var newer *newerStore
	if errors.As(err, &newer) {
		return fmt.Errorf("%s: %w", e.where, err)
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) && errors.Is(err, context.DeadlineExceeded) {
		return &unavailable{e.where + " does not answer: see whether it hangs, or is overloaded. clrnode goes on by itself when it answers", err}
	}
	if !errors.As(err, &said) {
		return &unavailable{e.where + " can't be reached: start it, or check its address. clrnode goes on by itself when it is back", err}
	}
	if noRoom(err) {
		return &unavailable{e.where + " has no room left on its disk, or can't write there: make room. clrnode goes on by itself then", err}
	}
	switch said.Code {
	case "28P01", "28000":
		return fmt.Errorf("%s refuses the user: check user, password and pg_hba.conf (%s)", e.where, said.Message)
	case "3D000":
		return fmt.Errorf("%s isn't there: make it with createdb, or name another database", e.where)
	case "42501":
		return fmt.Errorf("%s: the user may not do this: make it the owner of the schema %s, and of the database for the first start (%s)", e.where, pgSchema, said.Message)
	case "25006":
		return &unavailable{e.where + " takes no writes: name the primary, not a standby. clrnode goes on by itself when it is one", err}
	case "53200", "53300":
		return &unavailable{e.where + " is out of memory or connections: raise max_connections, or lower pool_max_conns in the address", err}
	}
	if cutOff(err) {
		return &unavailable{e.where + " is starting, stopping or failing over. clrnode goes on by itself when it is back", err}
	}
	return fmt.Errorf("%s: %w", e.where, err)
}

// unavailable is an error that passes by itself, once somebody has looked after the
// database.
type unavailable struct {
	sentence string
	cause    error
}

func (u *unavailable) Error() string        { return u.sentence }
func (u *unavailable) Is(target error) bool { return target == ErrUnavailable }
func (u *unavailable) Unwrap() error        { return u.cause }

// refused tells whether the database refused a transaction that may run again: a
// conflict between two, or a deadlock.
func refused(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && (said.Code == "40001" || said.Code == "40P01")
}

// cutOff tells whether the connection is of no use any more: the database didn't
// answer, or said that it ends the connection.
func cutOff(err error) bool {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return err != nil
	}
	return said.SeverityUnlocalized == "FATAL" || said.SeverityUnlocalized == "PANIC" || said.Code == "40003" || said.Code[:2] == "08" || said.Code[:2] == "57" && said.Code != "57014"
}

// noRoom tells whether the database said that it can't write to its disk. Where it can't
// write its log it says so with its last breath, and runs again only when it can.
func noRoom(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && (said.Code == "53100" || said.Code == "58030")
}

// undone tells whether the database itself said that a commit didn't happen.
func undone(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && !cutOff(err) && said.Code != "57014"
}

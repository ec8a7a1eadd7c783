package node

import "errors"

// ErrRefused is what every request wraps that cannot be done as it was made: its
// sentence says what to change.
var ErrRefused = errors.New("refused")

// ErrWhich is what an error wraps that only asks to name what is meant.
var ErrWhich = errors.New("say which")

// ErrBusy is returned where what strangers sent could not be checked in time, as too much
// else is being checked: another try, later, may do.
var ErrBusy = errors.New("too much else is being checked at the moment: try again in a minute")

// refused is an error whose text is for whoever asked.
type refused struct{ error }

func (r refused) Is(target error) bool { return target == ErrRefused }
func (r refused) Unwrap() error        { return r.error }

// badRequest refuses with a sentence.
func badRequest(sentence string) error { return refused{errors.New(sentence)} }

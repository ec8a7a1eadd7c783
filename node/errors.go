package node

import "errors"

// ErrRefused is what every request wraps that cannot be done as it was made: its
// sentence says what to change.
var ErrRefused = errors.New("refused")

type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == ErrRefused }

// badRequest is an error whose text is for whoever asked.
func badRequest(sentence string) error { return refusal(sentence) }

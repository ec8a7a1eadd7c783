package registry

import (
	"encoding/json"
	"errors"
)

var tableSourcePolicies = Table{Name: "source_policies"}

// sourcePolicy is under which policy the users of a source were derived last.
type sourcePolicy struct {
	Derivation string `json:"derivation"`
}

// derivation is the part of a policy that decides what is derived from a source.
func (p Policy) derivation() string {
	raw, err := json.Marshal([]any{p.LearnerRoles, p.FinalCategory})
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(raw)
}

// spreadPolicy makes the import concern everybody of its source, if the policy was
// changed since the last one: the same rows then mean something else.
func (a *applying) spreadPolicy(tx *Tx) error {
	was, err := get[sourcePolicy](tx, tableSourcePolicies, a.i.Publisher, a.i.Source)
	if errors.Is(err, ErrNotFound) || err == nil && was.Derivation == a.policy.derivation() {
		return nil
	}
	if err != nil {
		return err
	}
	return a.spreadFrom(tx, "users", "")
}

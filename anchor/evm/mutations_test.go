package evm

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	mutationSeed = flag.Uint64("mutations.seed", 0, "seed of the mutated receipts (default: the time)")
	mutations    = flag.Int("mutations", 2000, "how many receipts are mutated")
)

// token is a piece of JSON.
var token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[{}\[\]:,]`)

// odd are values that two programs might read in two ways.
var odd = strings.Fields(`0 -0 1.0 1e0 2 -1 9007199254740993 18446744073709551615 18446744073709551616 1E400 00 0.1 1e21 5e-324 -1e-400 1.7976931348623157e308
	"" "x" null true [] {} [null] {"__proto__":1} "__proto__" "constructor" "\u0000" "\ud800" "\ud83d\ude00" "😀" "K" "ſ" "\/" "TYPE" "Type" "Final" "mined" "unknown" "pending" "submitted" "confirmed" "jcs" "bytes"
	"2026-02-30T00:00:00Z" "2026-01-01T24:00:00Z" "2026-01-01T00:00:60Z" "2026-01-01T00:00:00.0Z" "2026-01-01T00:00:00+00:00" "0001-01-01T00:00:00Z" "0000-01-01T00:00:00Z" "2026-01-01t00:00:00z" "1900-02-29T00:00:00Z"
	"0x" "0X00" "did:" "0x0000000000000000000000000000000000000000" "eip155:01:0x00"`)

// between stands where JSON has white space, or shouldn't.
var between = []string{" ", "\n", "\t", "\r", "\u00a0", "\ufeff", "\v", "\x00", "/**/"}

// mutated changes one or two pieces of a text.
func mutated(r *rand.Rand, s string) string {
	for n := 1 + r.IntN(2); n > 0; n-- {
		at := token.FindAllStringIndex(s, -1)
		if len(at) == 0 {
			return s
		}
		i, other := at[r.IntN(len(at))], at[r.IntN(len(at))]
		was := s[i[0]:i[1]]
		now := was
		text := was[0] == '"' && len(was) > 2
		switch r.IntN(9) {
		case 0, 1:
			now = odd[r.IntN(len(odd))]
		case 2, 3:
			if k := 1 + r.IntN(max(len(was)-2, 1)); text && r.IntN(2) == 0 && was[k] < 0x80 && !strings.Contains(was, `\`) {
				now = was[:k] + fmt.Sprintf(`\u%04x`, was[k]) + was[k+1:]
			} else if text {
				now = was[:k] + string(`0123456789abcdefABCDEFxX .-:\`[r.IntN(29)]) + was[k+1:]
			}
		case 4:
			now = strings.ToUpper(was)
		case 5:
			now = ""
		case 6:
			now = between[r.IntN(len(between))] + was
		case 7:
			now = s[other[0]:other[1]]
			if number, err := strconv.ParseUint(was, 10, 64); err == nil {
				now = strconv.FormatUint(number+1, 10)
			}
		case 8:
			if was == "{" {
				now = "{" + odd[r.IntN(len(odd))] + ":" + odd[r.IntN(len(odd))] + ","
			} else if was == "[" || was == "," {
				now = was + odd[r.IntN(len(odd))] + ","
			}
		}
		s = s[:i[0]] + now + s[i[1]:]
	}
	return s
}

// The JavaScript checker and this program say the same of receipts, ownerships, copies and records
// in which something was changed at random.
func TestCheckersAgreeOnMutations(t *testing.T) {
	t.Parallel()
	needsNode(t)
	raw, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var seeds, all []vector
	if err := json.Unmarshal(raw, &seeds); err != nil {
		t.Fatal(err)
	}
	seed := *mutationSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	r := rand.New(rand.NewPCG(seed, 0))
	for range *mutations {
		v := seeds[r.IntN(len(seeds))]
		if v.Record != nil && r.IntN(2) == 0 {
			record := mutated(r, *v.Record)
			v.Record = &record
		} else {
			v.Receipt = mutated(r, v.Receipt)
		}
		all = append(all, v)
	}
	if raw, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mutations.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	all = nil
	if err := json.Unmarshal(raw, &all); err != nil { // as the other one reads it
		t.Fatal(err)
	}
	const run = `
const { check } = require(process.argv[1]), vectors = JSON.parse(require('fs').readFileSync(process.argv[2], 'utf8'))
const judged = ({ outcome, code, sentence }) => ({ outcome, code, sentence })
Promise.all(vectors.map(v => check(v.receipt, v.record, { blockHash: v.blockHash, log: v.log }).catch(e => ({ outcome: 'thrown', code: e.stack }))))
  .then(all => console.log(JSON.stringify(all.map(a => ({ ...judged(a), parts: a.parts && a.parts.map(judged) })))))`
	out, err := exec.CommandContext(t.Context(), "node", "-e", run, "../checker/clr-receipt-check.js", file).Output()
	if err != nil {
		var ended *exec.ExitError
		errors.As(err, &ended)
		t.Fatalf("the JavaScript checker: %v\n%s", err, ended.Stderr)
	}
	var theirs []struct {
		judged
		Sentence string
		Parts    []judged
	}
	if err := json.Unmarshal(out, &theirs); err != nil || len(theirs) != len(all) {
		t.Fatalf("the JavaScript checker gave %d answers: %v", len(theirs), err)
	}
	for i, v := range all {
		whole, parts := v.check(t.Context())
		if whole != theirs[i].judged || !slices.Equal(parts, theirs[i].Parts) {
			t.Errorf("seed %d, %s: this program says %v %v, the JavaScript checker %+v\n%s", seed, v.Name, whole, parts, theirs[i], v.Receipt)
		}
	}
}

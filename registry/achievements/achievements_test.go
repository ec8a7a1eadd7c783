package achievements_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"clrnode/registry/achievements"
)

func Example() {
	achievements.Read(bytes.NewReader(achievements.Template()), func(r achievements.Row) error {
		fmt.Println(r.Learner, r.Type, r.Name, r.Awarded.Format("2006"))
		return nil
	}, func(p achievements.Problem) { fmt.Println(p) })
	// Output:
	// s000123 BachelorDegree Bachelor of Science in Computer Science 2026
	// s000123 CoCurricular Robotics team, captain 2026
}

func TestBadRows(t *testing.T) {
	file := "\xef\xbb\xbflearner,type,code,name,awarded,credits,evidence,evidence_name,source_id,includes\r\n" +
		"a,Badge,B1,Badge,2026-01-01,,,,,\r\n" +
		"a,Prize,B1,Badge,2026-01-01,,,,,\r\n" +
		"a,ext:Prize,B1,Badge,2026-01-01,1.5,https://example.edu/x,Work,,C2; C1;C2\r\n" +
		"a,Badge,,Badge,2026-01-01,,,,,\r\n" +
		"a,Badge,,Badge,2026-01-01,,,,x1,\r\n" +
		"a,Badge,B1,Badge,01.02.2026,,,,,\r\n" +
		"a,Badge,B1,Badge,2026-01-01,-1,,,,\r\n" +
		"a,Badge,B1,Badge,2026-01-01,,javascript:alert(1),,,\r\n" +
		"a,Badge,B1,Badge,2026-01-01,,,Work,,\r\n" +
		",Badge,B1,Badge,2026-01-01,,,,,\r\n" +
		"a,Badge,B1,\xff,2026-01-01,,,,,\r\n" +
		"a,Badge\r\n"
	var good, bad []string
	err := achievements.Read(strings.NewReader(file), func(r achievements.Row) error {
		good = append(good, fmt.Sprintln(r.Line, r.Number, r.Identity(), r.Includes))
		return nil
	}, func(p achievements.Problem) { bad = append(bad, fmt.Sprintf("%d %s", p.Line, p.Column)) })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.ReplaceAll(strings.Join(good, "; "), "\n", ""), "2 1 Badge:B1 []; 4 3 ext:Prize:B1 [C1 C2]; 6 5 id:x1 []"; got != want {
		t.Errorf("good rows = %s, want %s", got, want)
	}
	if got, want := strings.Join(bad, "; "), "3 type; 5 code; 7 awarded; 8 credits; 9 evidence; 10 evidence; 11 learner; 12 name; 13 "; got != want {
		t.Errorf("bad rows = %s, want %s", got, want)
	}
}

func TestFilesThatCantBeRead(t *testing.T) {
	for file, want := range map[string]string{
		"":                                      "it is empty",
		"learner,type,code,name\n":              "column awarded is missing",
		"learner,type,name,awarded\n":           "column code is missing",
		"learner,learner\n":                     "column learner is there twice",
		"learner,Typ\n":                         `column "Typ" isn't one of this file`,
		"learner,type,code,name,awarded\na,\"b": "it is no CSV from here on",
		"learner,type,code,name,awarded\na,\"" + strings.Repeat("x\n", 1<<20): "a row is longer than",
	} {
		err := achievements.Read(strings.NewReader(file), func(achievements.Row) error { return nil }, func(achievements.Problem) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%.40q) = %v, want %q", file, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(achievements.Template())
	f.Add([]byte("learner,type,code,name,awarded\na,Badge,B,N,2026-01-01\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		achievements.Read(bytes.NewReader(file), func(r achievements.Row) error {
			if r.Learner == "" || r.Name == "" || r.Awarded.IsZero() && r.Awarded.Year() != 1 || strings.HasSuffix(r.Identity(), "id:") {
				t.Errorf("a row that says too little: %+v", r)
			}
			return nil
		}, func(p achievements.Problem) {
			if p.Line < 1 || p.Reason == "" || p.Fix == "" {
				t.Errorf("a problem that doesn't help: %+v", p)
			}
		})
	})
}

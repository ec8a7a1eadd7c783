package oneroster_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clrnode/registry/oneroster"
)

func Example() {
	file := pack(map[string]string{
		"manifest.csv": manifest("users,bulk"),
		"users.csv":    usersHeader + "u1,,,true,ada,Ada,Lovell,ada@quillhaven.example,,,,,\nu2,,,yes,bob,Bob,Baker,,,,,,\n",
	})
	p, err := oneroster.Open(bytes.NewReader(file), int64(len(file)), oneroster.DefaultLimits)
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Rows("users", func(r *oneroster.Row) error {
		fmt.Println(r.ID(), r.Get("givenName"), r.Get("familyName"))
		return nil
	}, func(p oneroster.Problem) { fmt.Println(p) })
	// Output:
	// u1 Ada Lovell
	// users.csv line 3: enabledUser is "yes", neither true nor false. Fix it, or skip the bad rows.
}

const usersHeader = "sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,email,middleName,identifier,userMasterIdentifier,preferredGivenName,preferredFamilyName\n"

func manifest(files ...string) string {
	m := "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nsource.systemCode,sis\n"
	for _, f := range files {
		m += "file." + f + "\n"
	}
	return m
}

func pack(files map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			panic(err)
		}
		io.WriteString(w, content)
	}
	z.Close()
	return b.Bytes()
}

func open(file []byte) (*oneroster.Package, error) {
	return oneroster.Open(bytes.NewReader(file), int64(len(file)), oneroster.DefaultLimits)
}

// Results, of which there are most, are referred to only where a file that does so is
// there; users refer to users.
func TestReferred(t *testing.T) {
	const (
		results = "sourcedId,status,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,textScore,inProgress,incomplete\n"
		goals   = "sourcedId,status,resultSourcedId,source,learningObjectiveId\n"
	)
	files := map[string]string{"manifest.csv": manifest("users,bulk", "results,bulk"), "users.csv": usersHeader, "results.csv": results}
	wantReferred(t, files, map[string]bool{"users": true, "results": false})
	files["manifest.csv"] = manifest("users,bulk", "results,bulk", "resultLearningObjectiveIds,delta")
	files["resultLearningObjectiveIds.csv"] = goals
	wantReferred(t, files, map[string]bool{"users": true, "results": true, "resultLearningObjectiveIds": false})
}

func wantReferred(t *testing.T, files map[string]string, want map[string]bool) {
	t.Helper()
	p, err := open(pack(files))
	if err != nil {
		t.Fatal(err)
	}
	for file, referred := range want {
		if got := p.Referred(file); got != referred {
			t.Errorf("Referred(%q) = %t, want %t", file, got, referred)
		}
	}
}

func TestPackagesThatCantBeRead(t *testing.T) {
	const row = "u1,,,true,ada,Ada,Lovell,,,,,,\n"
	good := map[string]string{"manifest.csv": manifest("users,bulk"), "users.csv": usersHeader + row}
	with := func(name, content string) []byte {
		files := map[string]string{}
		for n, c := range good {
			files[n] = c
		}
		if content == "" {
			delete(files, name)
		} else {
			files[name] = content
		}
		return pack(files)
	}
	if _, err := open(pack(good)); err != nil {
		t.Fatalf("the good package: %v", err)
	}
	if _, err := open(with("users.csv", "\xef\xbb\xbf"+usersHeader+row)); err != nil {
		t.Errorf("a byte order mark is refused: %v", err)
	}
	if _, err := open(with("manifest.csv", "\xef\xbb\xbf"+manifest("users,bulk"))); err != nil {
		t.Errorf("a byte order mark in the manifest is refused: %v", err)
	}
	if _, err := open(with("__MACOSX/._users.csv", "junk")); err != nil {
		t.Errorf("what macOS adds is refused: %v", err)
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":               {nil, "no zip file"},
		"text":                {[]byte("hello"), "no zip file"},
		"cut off":             {pack(good)[:100], "no zip file"},
		"no manifest":         {with("manifest.csv", ""), "manifest.csv: it is missing from the zip"},
		"manifest misspelled": {pack(map[string]string{"Manifest.csv": manifest()}), "Rename Manifest.csv to manifest.csv"},
		"manifest header":     {with("manifest.csv", "a,b\n"), "manifest.csv line 1: the header isn't propertyName,value"},
		"manifest empty":      {with("manifest.csv", "\n"), "it is empty"},
		"version 1.1":         {with("manifest.csv", strings.ReplaceAll(manifest("users,bulk"), "1.2", "1.1")), `oneroster.version is "1.1"`},
		"no version":          {with("manifest.csv", "propertyName,value\nmanifest.version,1.0\nfile.users,bulk\n"), "oneroster.version is missing"},
		"twice in manifest":   {with("manifest.csv", manifest("users,bulk", "users,delta")), "file.users stands here and in line 5"},
		"mode":                {with("manifest.csv", manifest("users,full")), `file.users is "full". Write absent, bulk or delta.`},
		"not listed":          {with("manifest.csv", manifest()), "users.csv: it is in the zip, but manifest.csv doesn't list it"},
		"listed as absent":    {with("manifest.csv", manifest("users,absent")), "users.csv: it is in the zip, but manifest.csv doesn't list it"},
		"listed and missing":  {with("manifest.csv", manifest("users,bulk", "roles,bulk")), "roles.csv is listed as bulk, and isn't in the zip"},
		"unknown in manifest": {with("manifest.csv", manifest("users,bulk", "pets,bulk")), "file.pets names a file that OneRoster 1.2 doesn't have"},
		"unknown file":        {with("pets.csv", "a\n"), "pets.csv: OneRoster 1.2 has no such file"},
		"case of a file":      {with("Roles.csv", "a\n"), "or name it roles.csv"},
		"folder":              {with("export/users.csv", "a\n"), "it lies in a folder"},
		"missing column":      {with("users.csv", strings.Replace(usersHeader, ",familyName", "", 1)), "users.csv line 1: column familyName is missing"},
		"lost column":         {with("users.csv", strings.Replace(usersHeader, ",email", "", 1)), "users.csv line 1: column email is missing. Export the file again with all columns"},
		"unknown column":      {with("users.csv", strings.Replace(usersHeader, ",email", ",eMail", 1)+row), `column "eMail" isn't one of OneRoster 1.2. Remove it, or name it email,`},
		"column twice":        {with("users.csv", strings.Replace(usersHeader, "email", "username", 1)+row), "column username is there twice"},
		"no header":           {with("users.csv", "\n"), "users.csv line 1: it is empty, without a header"},
		"row without end":     {with("users.csv", usersHeader+`u1,,,true,ada,"`+strings.Repeat("a\nb", 700_000)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := open(c.file)
			if c.want == "" && err == nil {
				err = p.Rows("users", func(*oneroster.Row) error { return nil }, func(oneroster.Problem) {})
				c.want = "users.csv: a row is longer than 1024 KB"
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q", err, c.want)
			}
		})
	}
}

func TestZipBombs(t *testing.T) {
	zeros := strings.Repeat("0", 10<<20)
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprint(i, ".csv")] = "a"
	}
	bomb := pack(map[string]string{"manifest.csv": manifest("users,bulk"), "users.csv": usersHeader + "u1,,,true,ada,Ada,Lovell,,,,,," + "\n" + strings.Repeat("u1,,,true,ada,Ada,Lovell,,,,,,\n", 1_000_000)})
	for name, c := range map[string]struct {
		file   []byte
		limits oneroster.Limits
	}{
		"entries": {pack(many), oneroster.DefaultLimits},
		"size":    {pack(map[string]string{"users.csv": zeros}), oneroster.Limits{Entries: 9, EntryBytes: 1 << 20, TotalBytes: 1 << 30, Ratio: 1 << 20, RowBytes: 1 << 20}},
		"total":   {pack(map[string]string{"users.csv": zeros, "roles.csv": zeros}), oneroster.Limits{Entries: 9, EntryBytes: 11 << 20, TotalBytes: 15 << 20, Ratio: 1 << 20, RowBytes: 1 << 20}},
		"ratio":   {bomb, oneroster.DefaultLimits},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := oneroster.Open(bytes.NewReader(c.file), int64(len(c.file)), c.limits)
			if err == nil {
				err = p.Rows("users", func(*oneroster.Row) error { return nil }, func(oneroster.Problem) {})
			}
			if err == nil {
				t.Error("a zip bomb was read to its end")
			}
		})
	}
}

// A zip whose directory lies about sizes is stopped while it is unpacked.
func TestZipThatLies(t *testing.T) {
	file := pack(map[string]string{"manifest.csv": manifest("users,bulk"), "users.csv": usersHeader + strings.Repeat("u1,,,true,ada,Ada,Lovell,,,,,,\n", 1000)})
	for i := 0; i+4 < len(file); i++ { // every size that stands in a directory entry becomes 1
		if string(file[i:i+4]) == "PK\x01\x02" {
			copy(file[i+24:i+28], []byte{1, 0, 0, 0})
		}
	}
	p, err := open(file)
	if err == nil {
		err = p.Rows("users", func(*oneroster.Row) error { return nil }, func(oneroster.Problem) {})
	}
	if err == nil {
		t.Error("a zip with false sizes was read to its end")
	}
}

func TestBadRows(t *testing.T) {
	file := pack(map[string]string{
		"manifest.csv":     manifest("users,delta", "results,bulk", "demographics,bulk"),
		"demographics.csv": "sourcedId\n",
		"users.csv": strings.TrimSuffix(usersHeader, "\n") + ",password,metadata.note,agentSourcedIds\n" +
			"u1,active,2026-06-01T08:00:00Z,true,ada,Ada,\"Lo,\nvell\",,,,,,,s3cret,hello,\"a1, a2\"\n" + // lines 2 and 3
			"u2,,,true,bob,Bob,Baker,,,,,,,,,\n" +
			"u3,gone,,true,bob,Bob,Baker,,,,,,,,,\n" +
			"u4,active,yesterday,true,bob,Bob,Baker,,,,,,,,,\n" +
			"u5,active,,true,bob,Bob,Baker\n" +
			"u6,active,,TRUE,\xff\xfe,Bob,Baker,,,,,,,,,\n" +
			"u7,tobedeleted,,,,,,,,,,,,,,\n" +
			",active,,true,bob,Bob,Baker,,,,,,,,,\n" +
			"u8,active,,true,bob,B\x01b,Baker,,,,,,,,,\n" +
			"u9,active,2026-06-01,True,bob,=cmd(),Baker,,,,,,,,,\n",
		"results.csv": "sourcedId,status,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,textScore,inProgress,incomplete\n" +
			"r1,,l1,u1,fully graded,91.5,2026-05-20,,,\n" +
			"r2,,l1,u1,graded,91.5,2026-05-20,,,\n" +
			"r3,,l1,u1,ext:audited,1e400,2026-05-20,,,\n" +
			"r4,,l1,u1,exempt,,2026-02-30,,,\n" +
			"r5,,l1,u1,exempt,NaN,2026-02-20,,,\n",
	})
	p, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Ignored) != 1 || p.Ignored[0] != "demographics.csv" {
		t.Errorf("Ignored = %q", p.Ignored)
	}
	var good, bad []string
	read := func(p *oneroster.Package) {
		good, bad = nil, nil
		for _, f := range []string{"users", "results"} {
			err := p.Rows(f, func(r *oneroster.Row) error {
				good = append(good, fmt.Sprintf("%s@%d#%d %v", r.ID(), r.Line, r.Number, r.Fields()))
				return nil
			}, func(p oneroster.Problem) { bad = append(bad, p.Error()) })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	read(p)
	const fix = " Fix it, or skip the bad rows."
	wantBad := []string{
		"users.csv line 4: status is empty, in a delta file." + fix,
		`users.csv line 5: status is "gone", and must be one of: active, tobedeleted.` + fix,
		`users.csv line 6: dateLastModified is "yesterday", which is no time like 2026-06-01T08:00:00Z.` + fix,
		"users.csv line 7: it has 7 fields, the header has 16." + fix,
		"users.csv line 8: username isn't UTF-8. Save the file as UTF-8, or skip the bad rows.",
		"users.csv line 10: sourcedId is empty." + fix,
		"users.csv line 11: givenName has a control character, U+0001." + fix,
		`results.csv line 3: scoreStatus is "graded", and must be one of: exempt, fully graded, not submitted, partially graded, submitted.` + fix,
		`results.csv line 4: score is "1e400", which is no number like 91.5.` + fix,
		`results.csv line 5: scoreDate is "2026-02-30", which is no date like 2026-06-01.` + fix,
		`results.csv line 6: score is "NaN", which is no number like 91.5.` + fix,
	}
	if got, want := strings.Join(bad, "\n"), strings.Join(wantBad, "\n"); got != want {
		t.Errorf("bad rows:\n%s\nwant:\n%s", got, want)
	}
	wantGood := []string{
		"u1@2#1 map[agentSourcedIds:a1, a2 enabledUser:true familyName:Lo,\nvell givenName:Ada metadata.note:hello sourcedId:u1 username:ada]",
		"u7@9#7 map[sourcedId:u7]",
		"u9@12#10 map[enabledUser:true familyName:Baker givenName:=cmd() sourcedId:u9 username:bob]",
		"r1@2#1 map[lineItemSourcedId:l1 score:91.5 scoreDate:2026-05-20 scoreStatus:fully graded sourcedId:r1 studentSourcedId:u1]",
	}
	if got, want := strings.Join(good, "\n"), strings.Join(wantGood, "\n"); got != want {
		t.Errorf("good rows:\n%s\nwant:\n%s", got, want)
	}
	// What is stored of the package has the same rows, and no password.
	var stripped bytes.Buffer
	if err := p.Strip(&stripped); err != nil {
		t.Fatal(err)
	}
	q, err := open(stripped.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Join(good, "\n")
	read(q)
	if after := strings.Join(good, "\n"); strings.ReplaceAll(after, "@3#", "@2#") != before && !strings.Contains(after, "#10") {
		t.Errorf("after Strip:\n%s\nwant:\n%s", after, before)
	}
	z, _ := zip.NewReader(bytes.NewReader(stripped.Bytes()), int64(stripped.Len()))
	for _, f := range z.File {
		r, _ := f.Open()
		raw, _ := io.ReadAll(r)
		if bytes.Contains(raw, []byte("s3cret")) {
			t.Errorf("%s still has the password after Strip", f.Name)
		}
	}
}

// Each column that something depends on must be in the header, or a file that lost
// one would wipe what the column held; those that nothing depends on may be absent.
func TestEachColumnThatIsReadMustBeThere(t *testing.T) {
	for _, s := range oneroster.Specs {
		for _, lost := range s.Columns {
			var header []string
			for _, c := range s.Columns {
				if c.Name != lost.Name {
					header = append(header, c.Name)
				}
			}
			_, err := open(pack(map[string]string{"manifest.csv": manifest(s.File + ",bulk"), s.File + ".csv": strings.Join(header, ",") + "\n"}))
			want := ""
			if lost.Required || lost.Read {
				want = s.File + ".csv line 1: column " + lost.Name + " is missing. "
			}
			if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
				t.Errorf("%s without %s: %v, want %q", s.File, lost.Name, err, want)
			}
		}
	}
	for file, column := range map[string]string{"results": "score", "users": "email", "courses": "courseCode", "roles": "endDate", "lineItems": "resultValueMax"} {
		if s := oneroster.SpecOf(file); !s.Columns[s.Column(column)].Read {
			t.Errorf("%s.csv is read without %s", file, column)
		}
	}
}

func TestRowsStops(t *testing.T) {
	p, err := open(pack(map[string]string{"manifest.csv": manifest("categories,bulk"), "categories.csv": "sourcedId,status,title\na,,A\nb,,B\n"}))
	if err != nil {
		t.Fatal(err)
	}
	stop, n := errors.New("stop"), 0
	if err := p.Rows("categories", func(*oneroster.Row) error { n++; return stop }, nil); err != stop || n != 1 {
		t.Errorf("Rows = %v after %d rows, want the error of the first", err, n)
	}
	if err := p.Rows("users", nil, nil); err != nil {
		t.Errorf("Rows of an absent file = %v, want nothing", err)
	}
}

func FuzzPackage(f *testing.F) {
	f.Add(pack(map[string]string{"manifest.csv": manifest("users,bulk"), "users.csv": usersHeader + "u1,,,true,ada,Ada,Lovell,,,,,,\n"}))
	if raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "oneroster", "northfield-2026-delta.zip")); err == nil {
		f.Add(raw)
	}
	limits := oneroster.Limits{Entries: 30, EntryBytes: 1 << 20, TotalBytes: 4 << 20, Ratio: 200, RowBytes: 1 << 16}
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := oneroster.Open(bytes.NewReader(file), int64(len(file)), limits)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a sentence")
			}
			return
		}
		for _, s := range oneroster.Specs {
			p.Rows(s.File, func(r *oneroster.Row) error {
				if r.ID() == "" || len(r.Values) != len(s.Columns) {
					t.Errorf("a row without an id, or with other columns: %+v", r)
				}
				r.Fields()
				return nil
			}, func(p oneroster.Problem) {
				if p.Line < 1 || p.Reason == "" || p.Fix == "" {
					t.Errorf("a problem that doesn't help: %+v", p)
				}
			})
		}
		p.Strip(io.Discard)
	})
}

// FuzzRows fuzzes what lies inside the zip.
func FuzzRows(f *testing.F) {
	f.Add([]byte(usersHeader + "u1,,,true,ada,Ada,Lovell,,,,,,\n"))
	f.Add([]byte("\xef\xbb\xbf" + usersHeader + "u1,,,true,\"a\"\"da\",Ada,\"Lov\nell\",\r\nu2,\n"))
	f.Fuzz(func(t *testing.T, users []byte) {
		p, err := open(pack(map[string]string{"manifest.csv": manifest("users,bulk"), "users.csv": string(users)}))
		if err != nil {
			return
		}
		numbers := func(p *oneroster.Package) (n []string) {
			p.Rows("users", func(r *oneroster.Row) error {
				n = append(n, fmt.Sprint(r.Number, r.ID()))
				return nil
			}, func(p oneroster.Problem) { n = append(n, fmt.Sprint(p.Number, "bad")) })
			return n
		}
		was := numbers(p)
		var b bytes.Buffer
		if p.Strip(&b) != nil {
			return // a row can't be read
		}
		q, err := open(b.Bytes())
		if err != nil {
			t.Fatalf("what Strip wrote can't be read: %v", err)
		}
		if is := numbers(q); fmt.Sprint(is) != fmt.Sprint(was) {
			t.Errorf("Strip changed the rows: %v, were %v", is, was)
		}
	})
}

package oneroster

import (
	"archive/zip"
	"encoding/csv"
	"io"
	"slices"
)

// Strip writes the package to w as a zip without what nobody here may keep:
// passwords, and the content of files that aren't read (demographics, for one).
// The rows that are read are the same, and have the same numbers.
func (p *Package) Strip(w io.Writer) error {
	z := zip.NewWriter(w)
	names := []string{"manifest.csv"}
	for _, s := range Specs {
		if p.Mode(s.File) != Absent {
			names = append(names, s.File+".csv")
		}
	}
	for _, name := range names {
		secrets, err := p.secrets(name)
		if err != nil {
			return err
		}
		if len(secrets) > 0 {
			err = p.copyWithout(z, name, secrets)
		} else {
			err = z.Copy(p.entries[name])
		}
		if err != nil {
			return err
		}
	}
	for _, name := range p.Ignored {
		if _, err := z.Create(name); err != nil {
			return err
		}
	}
	return z.Close()
}

// secrets are the positions of a file's secret columns.
func (p *Package) secrets(name string) (at []int, err error) {
	s := SpecOf(name[:len(name)-len(".csv")])
	if s == nil || !slices.ContainsFunc(s.Columns, func(c Column) bool { return c.Secret }) {
		return nil, nil
	}
	t, err := p.open(name)
	if err != nil {
		return nil, err
	}
	defer t.close()
	header, err := t.next()
	if err != nil {
		return nil, err
	}
	columns, _ := s.header(header)
	for i, c := range columns {
		if c >= 0 && s.Columns[c].Secret {
			at = append(at, i)
		}
	}
	return at, nil
}

func (p *Package) copyWithout(z *zip.Writer, name string, secrets []int) error {
	t, err := p.open(name)
	if err != nil {
		return err
	}
	defer t.close()
	f, err := z.Create(name)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	for first := true; ; first = false {
		fields, err := t.next()
		if err == io.EOF {
			break
		}
		if _, short := err.(*fieldCountError); err != nil && !short {
			return err
		}
		for _, i := range secrets {
			if !first && i < len(fields) {
				fields[i] = ""
			}
		}
		if err := w.Write(fields); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

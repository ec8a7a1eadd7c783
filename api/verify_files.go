package api

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"io"
	"mime/multipart"
	"path"
	"slices"
	"strings"

	"clrnode/anchor"
	"clrnode/vc"
)

func readPart(p *multipart.Part) (sent, error) {
	one := sent{name: path.Base(strings.ReplaceAll(p.FileName(), `\`, "/"))}
	if p.FileName() == "" {
		one.name = ""
	}
	raw, err := io.ReadAll(io.LimitReader(p, maxCredential+1))
	if err != nil {
		return one, err
	}
	rest, err := io.Copy(io.Discard, p)
	one.size = int64(len(raw)) + rest
	if one.size <= maxCredential {
		one.raw = raw
	}
	return one, err
}

// pair takes the receipts out of the files and puts each beside its record: by
// the record's digest, or else by name (ada.json and ada.receipt.json).
func pair(files []sent) []sent {
	type receipt struct {
		sent
		digest string
		used   bool
	}
	var receipts []*receipt
	var rest []sent
	for _, f := range files {
		if r, err := anchor.ParseReceipt(f.raw); err == nil && len(f.raw) <= maxReceipt {
			receipts = append(receipts, &receipt{f, hex.EncodeToString(r.Digest[:]), false})
			continue
		}
		rest = append(rest, f)
	}
	for i, f := range rest {
		digest := ""
		if s, err := vc.ParseSigned(f.raw); err == nil {
			d := s.Digest()
			digest = hex.EncodeToString(d[:])
		}
		for _, r := range receipts {
			if r.digest == digest || digest != "" && r.name == strings.TrimSuffix(f.name, path.Ext(f.name))+".receipt.json" || len(rest) == 1 && len(receipts) == 1 {
				rest[i].receipt, r.used = r.raw, true
			}
			if r.digest == digest {
				break
			}
		}
	}
	for _, r := range receipts {
		if !r.used {
			rest = append(rest, r.sent)
		}
	}
	return rest
}

// withCopies takes the copies of issuers out of the files and puts them beside the others, if
// there are any: which of them they are of, they say themselves.
func withCopies(files []sent) []sent {
	var copies []sent
	rest := slices.DeleteFunc(slices.Clone(files), func(f sent) bool {
		_, err := anchor.ParseIssuerCopies(f.raw)
		if err == nil {
			copies = append(copies, f)
		}
		return err == nil
	})
	if len(copies) != 1 || len(rest) == 0 {
		return files // whose they are is left to the one who asks
	}
	for i := range rest {
		rest[i].copies = copies[0].raw
	}
	return rest
}

// issuers are the first two issuers of these records, as far as they are of several: who owns a
// log could write there for others.
func issuers(records []sent) (one, other string) {
	for _, r := range records {
		s, err := vc.ParseSigned(r.raw)
		switch {
		case err != nil || s.IssuerID() == "" || s.IssuerID() == one:
		case one == "":
			one = s.IssuerID()
		default:
			return one, s.IssuerID()
		}
	}
	return one, ""
}

// unpacked are the files in a zip that may be credentials or go with one, or the file itself if
// it is no zip, or none that can be unpacked here: no more than is left, which it lessens.
func unpacked(f sent, left *int64) []sent {
	z, err := zip.NewReader(bytes.NewReader(f.raw), int64(len(f.raw)))
	if err != nil {
		return []sent{f}
	}
	var all []sent
	for _, in := range z.File {
		if in.FileInfo().IsDir() || strings.HasPrefix(in.Name, "__MACOSX/") {
			continue
		}
		one := sent{name: path.Base(strings.ReplaceAll(in.Name, `\`, "/"))}
		r, err := in.Open()
		if err != nil {
			return []sent{f}
		}
		one.raw, err = io.ReadAll(io.LimitReader(r, min(maxCredential, *left)+1))
		r.Close()
		one.size = int64(len(one.raw))
		*left = max(*left-one.size, 0)
		if err != nil || one.size > maxCredential || *left == 0 || len(all) == maxFiles {
			return []sent{f}
		}
		if start := bytes.TrimSpace(one.raw); len(start) > 0 && (start[0] == '{' || bytes.HasPrefix(start, []byte("ey"))) {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return []sent{f}
	}
	return all
}

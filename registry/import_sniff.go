package registry

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"

	"clrnode/registry/achievements"
)

// fileSigns are the first bytes of files that people take for an export.
var fileSigns = []struct{ begins, what string }{
	{"%PDF-", "a PDF"},
	{"\x89PNG\r\n\x1a\n", "a PNG image"},
	{"\xff\xd8\xff", "a JPEG image"},
	{"GIF8", "a GIF image"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an old Microsoft Office, such as .xls or .doc"},
	{"\x1f\x8b", "a gzip file"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip file"},
	{"Rar!\x1a\x07", "a RAR file"},
	{"SQLite format 3\x00", "an SQLite database"},
	{"{\\rtf", "an RTF document"},
	{"\xff\xfe", "UTF-16 text"},
	{"\xfe\xff", "UTF-16 text"},
	{"<", "a web page or an XML file"},
	{"{", "a JSON file"},
	{"[", "a JSON file"},
}

// zipSigns are the entries by which a zip that holds a document is known.
var zipSigns = []struct{ begins, what string }{
	{"xl/", "an Excel workbook"},
	{"word/", "a Word document"},
	{"ppt/", "a PowerPoint presentation"},
	{"content.xml", "a LibreOffice document"},
	{"META-INF/", "a Java archive or an e-book"},
}

// notAnExport says what a file is that is neither a zip nor text, nil if it may be
// one of the two.
func notAnExport(file io.ReaderAt, size int64) *BadFileError {
	head := make([]byte, min(size, 1024))
	n, _ := file.ReadAt(head, 0)
	head = bytes.TrimPrefix(head[:n], []byte("\xef\xbb\xbf"))
	begins := string(bytes.TrimLeft(head, " \t\r\n"))
	for _, s := range fileSigns {
		if strings.HasPrefix(begins, s.begins) {
			return wrongFile(s.what)
		}
	}
	if bytes.HasPrefix(head, []byte("PK")) || bytes.IndexByte(head, 0) < 0 {
		return nil
	}
	return wrongFile("a binary file")
}

// notAPackage says what a zip is that holds a document, nil if it is none.
func notAPackage(file io.ReaderAt, size int64) *BadFileError {
	z, err := zip.NewReader(file, size)
	if err != nil {
		return nil
	}
	for _, s := range zipSigns {
		for _, f := range z.File {
			if strings.HasPrefix(f.Name, s.begins) {
				return wrongFile(s.what)
			}
		}
	}
	return nil
}

func wrongFile(what string) *BadFileError {
	fix := "Choose the zip that your student information system exported, or a CSV with the columns of the achievements template (" + achievements.Columns[0].Name + ", " + achievements.Columns[1].Name + ", ...)."
	switch what {
	case "UTF-16 text":
		fix = "Save it again as CSV, UTF-8."
	case "an Excel workbook", "a LibreOffice document":
		fix = "Save its table as CSV, UTF-8, or choose the zip that your student information system exported."
	}
	return &BadFileError{[]BadRow{{File: "the file", Reason: "this is " + what + ", not a OneRoster zip or an achievements CSV", Fix: fix}}}
}

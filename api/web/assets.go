package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"clrnode/anchor/checker"
)

type asset struct {
	body    []byte
	kind    string
	version string
}

var assets = sync.OnceValue(func() map[string]asset {
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	all := map[string]asset{}
	add := func(name string, body []byte) {
		sum := sha256.Sum256(body)
		all[name] = asset{body, kinds[path.Ext(name)], hex.EncodeToString(sum[:6])}
	}
	// The checker of receipts is the one that people get who have no node.
	add("receipt-check.js", checker.Script)
	add("receipt-picture.js", checker.Picture)
	add("receipt-form.js", checker.Form)
	add("receipt-steps.css", checker.Style)
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		body, err := fs.ReadFile(files, "assets/"+e.Name())
		if err != nil {
			panic(err)
		}
		add(e.Name(), body)
	}
	return all
})

// assetURL is the address of an asset, which changes when its content does.
func assetURL(name string) string { return "/assets/" + name + "?v=" + assets()[name].version }

// Asset serves the style sheet, the scripts and the icon.
func Asset(w http.ResponseWriter, r *http.Request) bool {
	a, ok := assets()[strings.TrimPrefix(r.URL.Path, "/assets/")]
	if !ok {
		return false
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("ETag", `"`+a.version+`"`)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
	return true
}

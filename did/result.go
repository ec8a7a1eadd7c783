package did

import (
	"fmt"
	"strconv"
	"time"

	"clrnode/internal/jcs"
)

// Result writes what Resolve returned as a DID resolution result (DID Resolution v1,
// section 9), in canonical JSON. The document of a DID that was given up is null, and of
// an error too. err stands in it for people to read, whole.
func (r Resolution) Result(err error) []byte {
	document := any(nil)
	if err == nil {
		document = read(r.JSON())
	}
	return write(map[string]any{
		"@context": "https://w3id.org/did-resolution/v1", "didDocument": document,
		"didDocumentMetadata": r.metadata(err), "didResolutionMetadata": r.process(err),
	})
}

// DereferencingResult writes what a DID URL led to in this resolution as a DID URL
// dereferencing result (DID Resolution v1, section 10), in canonical JSON: content is a
// part of the document, or the document itself. It stands there under both names that the
// drafts of the standard give it, content and contentStream, and is null with an error.
func (r Resolution) DereferencingResult(content []byte, err error) []byte {
	it := any(nil)
	if err == nil {
		it = read(content)
	}
	return write(map[string]any{
		"@context": "https://w3id.org/did-resolution/v1", "content": it, "contentStream": it,
		"contentMetadata": r.metadata(err), "dereferencingMetadata": r.process(err),
	})
}

// process is what there is to say of how it went.
func (r Resolution) process(err error) map[string]any {
	m := map[string]any{}
	if kind := ErrorType(err); kind != "" {
		m["error"] = map[string]any{"type": ErrorURL(err), "title": ErrorTitle(err), "detail": err.Error()}
	}
	if err == nil {
		m["contentType"] = "application/did"
	}
	if !r.Retrieved.IsZero() {
		m["retrieved"] = r.Retrieved.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	return m
}

// metadata is what there is to say of the document, nothing if it wasn't found.
func (r Resolution) metadata(err error) map[string]any {
	if ErrorType(err) != "" {
		return map[string]any{}
	}
	m := r.Metadata.json()
	if err != nil {
		m["deactivated"] = true
	}
	return m
}

func read(raw []byte) *jcs.Value {
	v, err := jcs.Read(raw)
	if err != nil {
		panic(fmt.Sprintf("a resolution without a document of JSON: %v", err)) // no Resolver makes one
	}
	return v
}

func write(v any) []byte {
	out, err := jcs.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("write a resolution result: %v", err)) // only text that isn't UTF-8 comes here
	}
	return out
}

// ErrorURL is the type of a resolver's error as an error object has it (RFC 9457): a URL
// that ends in its [ErrorType], "" where that is empty.
func ErrorURL(err error) string {
	kind := ErrorType(err)
	if kind == "" {
		return ""
	}
	return "https://www.w3.org/ns/did#" + kind
}

// ErrorTitle says of what [ErrorType] a resolver's error is, in a sentence.
func ErrorTitle(err error) string { return errorTitles[ErrorType(err)] }

var errorTitles = map[string]string{
	"INVALID_DID":                  "The DID is invalid.",
	"INVALID_DID_URL":              "The DID URL is invalid.",
	"INVALID_DID_DOCUMENT":         "The DID document is invalid.",
	"INVALID_OPTIONS":              "The resolution options are invalid.",
	"NOT_FOUND":                    "There is no such DID, or no such version of it.",
	"REPRESENTATION_NOT_SUPPORTED": "It doesn't come in any form that you take.",
	"METHOD_NOT_SUPPORTED":         "This DID method isn't supported.",
	"FEATURE_NOT_SUPPORTED":        "The DID method or this resolver doesn't have what was asked for.",
	"INTERNAL_ERROR":               "The DID couldn't be resolved now.",
}

// json has times without fractions of a second and no numbers but versionNumber, as
// didwebvh-test-suite has it (DID Resolution v1, 3.1 and 7).
func (m Metadata) json() map[string]any {
	out := map[string]any{}
	for name, s := range map[string]string{"versionId": m.VersionID, "nextVersionId": m.NextVersionID, "canonicalId": m.CanonicalID.s} {
		if s != "" {
			out[name] = s
		}
	}
	for name, t := range map[string]time.Time{"versionTime": m.VersionTime, "nextUpdate": m.NextUpdate, "created": m.Created, "updated": m.Updated} {
		if !t.IsZero() {
			out[name] = t.UTC().Truncate(time.Second).Format(time.RFC3339)
		}
	}
	if m.VersionNumber != 0 {
		out["versionNumber"] = m.VersionNumber
	}
	if m.Deactivated || m.WebVH != nil {
		out["deactivated"] = m.Deactivated
	}
	if w := m.WebVH; w != nil {
		out["scid"], out["portable"] = w.SCID, w.Portable
		out["ttl"] = strconv.FormatInt(int64(w.TTL/time.Second), 10)
		out["watchers"] = anys(w.Watchers, func(s string) any { return s })
		out["witness"] = map[string]any{}
		if w.Witness != nil {
			out["witness"] = w.Witness.json(strconv.Itoa(w.Witness.Threshold))
		}
	}
	return out
}

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
	resolution, document := map[string]any{}, any(nil)
	if kind := ErrorType(err); kind != "" {
		resolution["error"] = map[string]any{"type": "https://www.w3.org/ns/did#" + kind, "title": errorTitles[kind], "detail": err.Error()}
	}
	if err == nil {
		resolution["contentType"] = "application/did"
		v, e := jcs.Read(r.JSON())
		if e != nil {
			panic(fmt.Sprintf("a resolution without a document of JSON: %v", e)) // no Resolver makes one
		}
		document = v
	}
	metadata := map[string]any{}
	if resolution["error"] == nil {
		metadata = r.Metadata.json()
		if err != nil {
			metadata["deactivated"] = true
		}
	}
	out, e := jcs.Marshal(map[string]any{
		"@context": "https://w3id.org/did-resolution/v1", "didDocument": document,
		"didDocumentMetadata": metadata, "didResolutionMetadata": resolution,
	})
	if e != nil {
		panic(fmt.Sprintf("write a resolution result: %v", e)) // only text that isn't UTF-8 comes here
	}
	return out
}

var errorTitles = map[string]string{
	"INVALID_DID":           "The DID is invalid.",
	"INVALID_DID_DOCUMENT":  "The DID document is invalid.",
	"INVALID_OPTIONS":       "The resolution options are invalid.",
	"NOT_FOUND":             "There is no such DID, or no such version of it.",
	"METHOD_NOT_SUPPORTED":  "This DID method isn't supported.",
	"FEATURE_NOT_SUPPORTED": "The DID method or this resolver doesn't have what was asked for.",
	"INTERNAL_ERROR":        "The DID couldn't be resolved now.",
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

package jose

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unsafe"

	"clrnode/did"
	"clrnode/internal/jcs"
)

// MaxSize bounds a token, in bytes, and maxHeader its first part.
const (
	MaxSize   = 16 << 20
	maxHeader = 64 << 10
)

// A Token is a JWT whose form is right. Nothing in it is proven before
// [Token.Verify] has said so for a key whose owner is known by other means: JWK and
// Kid are what the token says of itself.
type Token struct {
	Header  *jcs.Value // of [Parse]'s allowed members only
	Payload *jcs.Value // the claims, an object
	// Alg is the header's algorithm: EdDSA, Ed25519 (RFC 9864's name for it), ES256, ES384,
	// ES512, ES256K, ES256K-R or RS256.
	Alg string
	// Kid is the header's kid, "" when it has none. A token may have both a kid and a jwk,
	// or neither.
	Kid string
	JWK *did.PublicKey // the header's jwk, nil when it has none
	// Typ is what the header says the token is: "vc+jwt", "vp+jwt", "jwt", or "" when it
	// doesn't say. It is in small letters and without "application/" (RFC 7515, 4.1.9).
	Typ string

	signed    string // the first two parts, over which the signature goes
	signature []byte
}

// Parse reads a token of at most 16 MiB. Its three parts are base64url without padding,
// each byte string in its one spelling; header and payload are JSON objects as
// [jcs.Read] reads them. The header has alg, and may have kid, jwk (a public key), typ,
// cty and iss, and nothing else (Open Badges 3.0, 8.2.4.1, which leaves out cty and iss):
// whatever changes how a token is to be read, or names a key by an address of its own
// choosing, is refused.
//
// Errors are of type *[Error]. They wrap [did.ErrInvalid], or [did.ErrKeyNotSupported]
// when the token may be good but its algorithm or its jwk isn't known here.
func Parse(token string) (*Token, error) { return parse(token, "") }

// ParseTyped reads a token for another use, which its header must name as its type, such
// as openid4vci-proof+jwt: what was signed for one use never counts for another (RFC
// 8725, 3.11). Its header may also have key_attestation, which is not read.
func ParseTyped(token, typ string) (*Token, error) { return parse(token, typ) }

// parse reads a credential or presentation, or with typ a token of that type.
func parse(token, typ string) (*Token, error) {
	if len(token) > MaxSize {
		return nil, invalid("it is longer than %d bytes", MaxSize)
	}
	first := strings.IndexByte(token, '.')
	last := strings.LastIndexByte(token, '.')
	if first == last || strings.IndexByte(token[first+1:last], '.') >= 0 {
		return nil, invalid("it should be three parts with a full stop between them: header, payload, signature")
	}
	if first > maxHeader {
		return nil, invalid("its header is longer than %d bytes", maxHeader)
	}
	t := &Token{signed: token[:last]}
	var err error
	if t.Header, err = object("header", token[:first]); err != nil {
		return nil, err
	}
	if err := t.readHeader(typ); err != nil {
		return nil, err
	}
	if t.Payload, err = object("payload", token[first+1:last]); err != nil {
		return nil, err
	}
	if iss := t.Header.Get("iss"); iss != nil && t.Payload.Has("iss") && t.Payload.Str("iss") != iss.String() {
		return nil, invalid("the iss of its header isn't that of its claims")
	}
	if t.signature, err = decode("signature", token[last+1:]); err != nil {
		return nil, err
	}
	return t, nil
}

// Verify returns nil when key made the token's signature and the header's alg is that
// key's own, and an error that wraps [did.ErrBadSignature] otherwise.
func (t *Token) Verify(key did.PublicKey) error {
	own := key.JWSAlgorithm()
	// An account's key is recovered whether the signature says which of two keys it was or not.
	other := map[string]string{"EdDSA": "Ed25519", "ES256K-R": "ES256K"}[own]
	if t.Alg != own && (other == "" || t.Alg != other) {
		return fmt.Errorf("%w: the header's alg is %q, and the key is one for %q", did.ErrBadSignature, t.Alg, own)
	}
	// Verify reads the message and keeps nothing of it, so that it needn't be copied.
	return key.Verify(unsafe.Slice(unsafe.StringData(t.signed), len(t.signed)), t.signature)
}

func (t *Token) readHeader(want string) error {
	for i := range t.Header.List() {
		m := &t.Header.List()[i]
		switch m.Name {
		case "alg", "kid", "typ", "cty", "iss":
			if m.String() == "" {
				return invalid("the header's %s should be text", m.Name)
			}
		case "jwk":
			key, err := did.ParseJWK(m.Append(nil))
			if err != nil {
				return &Error{"its header's jwk: " + err.Error(), err}
			}
			t.JWK = &key
		case "key_attestation":
			if want == "" || m.String() == "" {
				return invalid("the header's key_attestation isn't expected here")
			}
		default:
			reason, known := refused[m.Name]
			if !known {
				reason = "only alg, kid, jwk, typ, cty and iss may stand there"
			}
			return invalid("its header has %q: %s", m.Name, reason)
		}
	}
	t.Alg, t.Kid = t.Header.Str("alg"), t.Header.Str("kid")
	if err := checkAlg(t.Alg); err != nil {
		return err
	}
	if want != "" {
		if t.Typ = mediaType(t.Header.Str("typ")); t.Typ != want {
			return invalid("its header says that it is of type %q; it should say %s", t.Header.Str("typ"), want)
		}
		return nil
	}
	var ok bool
	if t.Typ, ok = typeOf(t.Header.Str("typ")); !ok {
		return invalid("its header says that it is of type %q; it should say vc+jwt, vp+jwt, JWT, or nothing", t.Header.Str("typ"))
	}
	return nil
}

const (
	certificates = "certificates aren't followed; name the key by kid or jwk"
	encrypted    = "encrypted tokens aren't read; ask for one that is only signed"
)

// refused says why some members of a header aren't accepted (RFC 7515, 4.1; RFC 7797;
// RFC 7516, 4.1).
var refused = map[string]string{
	"x5c": certificates, "x5u": certificates, "x5t": certificates, "x5t#S256": certificates,
	"jku":         "a set of keys isn't fetched from an address that the token itself gives; name the key by kid or jwk",
	"trust_chain": "OpenID Federation isn't followed; name the key by kid or jwk",
	"crit":        "extensions that must be understood aren't",
	"b64":         "a payload that isn't base64url can't be told from another",
	"enc":         encrypted, "zip": encrypted,
}

// checkAlg lets through the algorithms that [did.PublicKey] knows.
func checkAlg(alg string) error {
	switch {
	case alg == "EdDSA", alg == "Ed25519", alg == "ES256", alg == "ES384", alg == "ES512", alg == "ES256K", alg == "ES256K-R", alg == "RS256":
		return nil
	case alg == "":
		return invalid("its header has no alg")
	case strings.EqualFold(alg, "none"):
		return invalid("its alg is %q: nobody signed it", alg)
	case len(alg) >= 2 && strings.EqualFold(alg[:2], "HS"):
		return invalid("its alg is %q: whoever can check a shared secret can also make it, so it proves nothing", alg)
	}
	return &Error{fmt.Sprintf("its alg %q isn't supported", alg), did.ErrKeyNotSupported}
}

// typeOf compares media types without their "application/" and without regard to the
// case of letters (RFC 7515, 4.1.9).
func typeOf(typ string) (string, bool) {
	if typ == "" {
		return "", true
	}
	typ = mediaType(typ)
	switch typ {
	case "vc+jwt", "vp+jwt", "jwt":
		return typ, true
	}
	return "", false
}

func mediaType(typ string) string { return strings.TrimPrefix(strings.ToLower(typ), "application/") }

func object(name, part string) (*jcs.Value, error) {
	raw, err := decode(name, part)
	if err != nil {
		return nil, err
	}
	// Nobody else has raw, so that it is text from here on.
	v, err := jcs.ReadString(unsafe.String(unsafe.SliceData(raw), len(raw)))
	if err != nil {
		return nil, invalid("its %s: %v", name, err)
	}
	if !v.Is(jcs.Object) {
		return nil, invalid("its %s isn't a JSON object", name)
	}
	return v, nil
}

var encoding = base64.RawURLEncoding.Strict()

func decode(name, part string) ([]byte, error) {
	raw, err := encoding.DecodeString(part)
	// The decoder passes over line ends.
	if err != nil || strings.IndexByte(part, '\n') >= 0 || strings.IndexByte(part, '\r') >= 0 {
		return nil, invalid("its %s isn't base64url without padding", name)
	}
	return raw, nil
}

// Error says why a token isn't read.
type Error struct {
	Reason string // a sentence about the token without its full stop
	Err    error  // wraps did.ErrInvalid or did.ErrKeyNotSupported
}

func (e *Error) Error() string { return "JWT: " + e.Reason }

func (e *Error) Unwrap() error { return e.Err }

func invalid(format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...), did.ErrInvalid}
}

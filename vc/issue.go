package vc

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"clrnode/did"
	"clrnode/internal/jcs"
	"clrnode/internal/jose"
	"clrnode/vc/clr"
)

// A Key is a signer and the DID URL under which others find its public key.
type Key struct {
	Method string // verification method, such as did:web:example.edu#key-1
	Signer did.Signer
}

// A Form is a way of securing a credential or presentation.
type Form int

// The forms. The algorithm is that of the key: Ed25519, P-256 and P-384 in each form,
// RSA in tokens alone.
const (
	FormRDFC  Form = iota // Data Integrity over canonical N-Quads: eddsa-rdfc-2022 (CLR's certification wants it), ecdsa-rdfc-2019
	FormJCS               // Data Integrity over canonical JSON: eddsa-jcs-2022, ecdsa-jcs-2019
	FormJWT               // JSON Web Token whose claims are the credential (data model 2.0)
	FormJWT11             // JSON Web Token with the credential in its claim vc (data model 1.1)
)

// Options say how to sign. The zero Options make a Data Integrity proof over N-Quads
// that doesn't say when it was made.
type Options struct {
	Form      Form
	Created   time.Time // kept to the second; of a token, its claim iat
	Expires   time.Time // of the proof; zero: it has no end of its own
	Domain    []string  // of the proof; of a token, its claim aud
	Challenge string    // of the proof; of a token, its claim nonce
	Typ       string    // of a token's header: "", "JWT", "vc+jwt", "vp+jwt"

	ProofID  string   // of a Data Integrity proof, by which a later one names it; a URI
	Previous []string // ids of the proofs in the document that a Data Integrity proof comes after (previousProof)
}

// A RulesError lists why a credential was not signed.
type RulesError struct{ Problems []clr.Problem }

func (e *RulesError) Error() string {
	p := e.Problems[0]
	where := p.Pointer
	if where == "" {
		where = "the top"
	}
	more := ""
	if n := len(e.Problems) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("the credential breaks the rules at %s: %s%s", where, p.Sentence, more)
}

// Issue signs c with k and returns the bytes, which the caller stores as they are.
// Records and badges carry a Data Integrity proof in an array of one, as 1EdTech's
// model wants it, other credentials by itself.
//
// Nothing is signed that our own [Verify] would refuse: not what breaks the rules of
// the standard (*[RulesError]), has a term that no context defines (*[rdf.Error]), is
// signed already, or names another issuer than the controller of the key. c isn't
// changed.
func Issue(ctx context.Context, c Credential, k Key, o Options) (Signed, error) {
	doc, err := unsigned(c)
	if err != nil {
		return Signed{}, fmt.Errorf("issue: %w", err)
	}
	s, err := secure(ctx, doc, k, o, issuerOf(doc), rules)
	if broken := (*RulesError)(nil); err != nil && !errors.As(err, &broken) {
		err = fmt.Errorf("issue: %w", err)
	}
	return s, err
}

// Present signs a presentation (VC Data Model 2.0, 4.13) with the holder's key, for
// authentication: Challenge and Domain are those of whoever asked for it. Its
// credentials are taken as they are. What it refuses is as in [Issue].
func Present(ctx context.Context, presentation Credential, k Key, o Options) (Signed, error) {
	doc, err := unsigned(presentation)
	if err != nil {
		return Signed{}, fmt.Errorf("present: %w", err)
	}
	s, err := secure(ctx, doc, k, o, holderOf(doc, k.Method), presentationRules)
	if broken := (*RulesError)(nil); err != nil && !errors.As(err, &broken) {
		err = fmt.Errorf("present: %w", err)
	}
	return s, err
}

// unsigned reads c as a reader of its bytes will.
func unsigned(c Credential) (*jcs.Value, error) {
	doc, err := jcs.From(c)
	if err != nil {
		return nil, err
	}
	if doc.Has("proof") {
		return nil, errors.New("the credential has a proof already; remove it to sign anew, or add one with AddProof")
	}
	return doc, nil
}

// AddProof returns s with one more Data Integrity proof beside those it has: a proof
// set, or with o.Previous a chain (Data Integrity 1.0, 2.1.1 and 2.1.2). A record or
// badge of ours, whose proof binds all of it, takes none; nor does a token.
func AddProof(ctx context.Context, s Signed, k Key, o Options) (Signed, error) {
	if s.token != nil || o.Form != FormRDFC && o.Form != FormJCS {
		return Signed{}, errors.New("add a proof: only Data Integrity proofs stand side by side, and none in a token")
	}
	list := s.doc.Get("proof").Items()
	for i := range list {
		if strings.HasPrefix(list[i].Str("nonce"), NoncePrefix) {
			return Signed{}, errors.New("add a proof: the credential's proof binds all that is in it, so that no other can be added")
		}
	}
	proof, err := newProof(s.doc, k, o, issuerOf(s.doc))
	if err != nil {
		return Signed{}, fmt.Errorf("add a proof: %w", err)
	}
	of, problem := chained(s.doc, list, proof, newPayload(s.doc))
	if problem != "" {
		return Signed{}, fmt.Errorf("add a proof: %s", problem)
	}
	suite, _ := suiteOf(proof)
	if proof, err = of.sign(ctx, suite, proof, k.Signer); err != nil {
		return Signed{}, fmt.Errorf("add a proof: %w", err)
	}
	all := make([]*jcs.Value, 0, len(list)+1)
	for i := range list {
		all = append(all, &list[i])
	}
	return sealed(s.doc.With("proof", jcs.NewArray(append(all, proof)...))), nil
}

// sealed is a signed document as it is stored.
func sealed(doc *jcs.Value) Signed {
	raw := doc.Append(make([]byte, 0, 4096))
	return Signed{secured{doc: doc}, string(raw), sha256.Sum256(raw)}
}

// secure signs a document that keeps rules.
func secure(ctx context.Context, doc *jcs.Value, k Key, o Options, who signatory, rules func(*jcs.Value) []clr.Problem) (Signed, error) {
	// Its statements are made beside the judging of the rules; each takes as long as
	// the other. They are made in every form, so that no term means nothing.
	of := newPayload(doc)
	if o.Form == FormJWT11 {
		of = newPayload(withoutTokens(doc))
	}
	made := make(chan error, 1)
	go func() {
		_, err := of.sum(ctx, sumOf{hash: k.hash()})
		made <- err
	}()
	problems := rules(doc)
	if len(problems) > 0 {
		<-made
		return Signed{}, &RulesError{problems}
	}
	if o.Form == FormJWT || o.Form == FormJWT11 {
		if err := <-made; err != nil {
			return Signed{}, err
		}
		return secureToken(ctx, doc, k, o, who)
	}
	proof, err := newProof(doc, k, o, who)
	ours := kindOf(doc) != kindOther
	if err == nil && ours && o.Form == FormRDFC {
		proof = proof.With("nonce", jcs.NewString(bindingNonce(doc, proof)))
	}
	if err := errors.Join(err, <-made); err != nil {
		return Signed{}, err
	}
	if !ours {
		if problem, err := renamed(ctx, doc); err != nil {
			return Signed{}, err
		} else if problem != "" {
			return Signed{}, &RulesError{[]clr.Problem{{Code: "shape.name", Sentence: problem, Section: proofSection}}}
		}
	}
	suite, _ := suiteOf(proof)
	if proof, err = of.sign(ctx, suite, proof, k.Signer); err != nil {
		return Signed{}, err
	}
	if ours {
		proof = jcs.NewArray(proof)
	}
	return sealed(doc.With("proof", proof)), nil
}

// newProof makes the options of a Data Integrity proof.
func newProof(doc *jcs.Value, k Key, o Options, who signatory) (*jcs.Value, error) {
	if err := k.fits(who); err != nil {
		return nil, err
	}
	suite, err := suiteFor(k.Signer.Public(), o.Form == FormJCS)
	if err != nil {
		return nil, err
	}
	proof := map[string]any{
		"type":               "DataIntegrityProof",
		"cryptosuite":        suite.name,
		"verificationMethod": k.Method,
		"proofPurpose":       string(who.relation),
	}
	put := func(member, value string) {
		if value != "" {
			proof[member] = value
		}
	}
	put("created", second(o.Created))
	put("expires", second(o.Expires))
	put("challenge", o.Challenge)
	put("id", o.ProofID)
	for member, list := range map[string][]string{"domain": o.Domain, "previousProof": o.Previous} {
		switch len(list) {
		case 0:
		case 1:
			proof[member] = list[0]
		default:
			proof[member] = list
		}
	}
	if suite.jcs && doc.Has("@context") {
		proof["@context"] = doc.Get("@context")
	}
	return jcs.From(proof)
}

// fits says why k can't sign for who, if so.
func (k Key) fits(who signatory) error {
	if k.Signer == nil {
		return errors.New("the key has no signer")
	}
	method, err := did.ParseURL(k.Method)
	if err != nil {
		return fmt.Errorf("the key %s: %w", k.Method, err)
	}
	if who.id != method.DID.String() {
		return fmt.Errorf("the %s is %s, but the key belongs to %s; one of them must change", who.word, who.id, method.DID)
	}
	return nil
}

// hash is the one that the key signs with.
func (k Key) hash() crypto.Hash {
	if k.Signer == nil {
		return crypto.SHA256
	}
	return hashWith(k.Signer.Public())
}

// second writes a time as proofs have it; nothing for none.
func second(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// secureToken signs a document as a JSON Web Token, with the claims that 1EdTech asks
// for (Open Badges 3.0, "Create the JWT Payload").
func secureToken(ctx context.Context, doc *jcs.Value, k Key, o Options, who signatory) (Signed, error) {
	if err := k.fits(who); err != nil {
		return Signed{}, err
	}
	if (o.Form == FormJWT11) != isV1(doc) {
		return Signed{}, errors.New("a token of data model 1.1 (FormJWT11) holds a credential of 1.1, and a token of 2.0 (FormJWT) one of 2.0")
	}
	if len(o.Previous) > 0 || o.ProofID != "" {
		return Signed{}, errors.New("a token has no previous proofs and no proof id; use a Data Integrity form")
	}
	subject := doc.Get("credentialSubject").Str("id")
	if kindOf(doc) != kindOther && subject == "" {
		return Signed{}, errors.New("a record or badge in a token names the learner by the id of its credentialSubject, for the claim sub; give it one, or use a Data Integrity form")
	}
	claims := doc
	if o.Form == FormJWT11 {
		claim := "vc"
		if isPresentation(doc) {
			claim = "vp"
		}
		claims = (&jcs.Value{Kind: jcs.Object}).With(claim, doc)
	}
	put := func(claim, value string) {
		if value != "" {
			claims = claims.With(claim, jcs.NewString(value))
		}
	}
	putTime := func(claim string, t time.Time) {
		if !t.IsZero() {
			claims = claims.With(claim, &jcs.Value{Kind: jcs.Number, Text: fmt.Sprint(t.Unix())})
		}
	}
	put("iss", who.id)
	put("jti", doc.Str("id"))
	put("sub", subject)
	put("nonce", o.Challenge)
	putTime("nbf", validFrom(doc))
	putTime("exp", validUntil(doc))
	if validUntil(doc).IsZero() {
		putTime("exp", o.Expires)
	}
	putTime("iat", o.Created)
	switch len(o.Domain) {
	case 0:
	case 1:
		put("aud", o.Domain[0])
	default:
		return Signed{}, errors.New("a token is for one domain")
	}
	text, err := jose.Sign(ctx, jose.Header{Kid: k.Method, Typ: o.Typ}, claims.Append(nil), k.Signer)
	if err != nil {
		return Signed{}, err
	}
	return parseToken(text)
}

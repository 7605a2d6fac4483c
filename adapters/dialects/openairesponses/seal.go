package openairesponses

import (
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// Signatures of other providers' thoughts travel through a client in a reasoning item's encrypted_content, which clients hand back as it
// is: behind a mark that says what they are. What OpenAI encrypted travels through clients of other dialects likewise, with its item's
// id: it is never taken for another provider's, nor another's for OpenAI's.
const (
	sealMark      = "tollhouse."
	sealSignature = "signature" // of the thought that stands in the item
	sealRedacted  = "redacted"  // a thought that another provider encrypted
	sealOwn       = "reasoning" // OpenAI's own: the item's id, a dot, and what is encrypted
	sealPart      = "part"      // of the text or call that stands before the item
)

func seal(kind, payload string) string { return sealMark + kind + "." + payload }

// unseal takes the mark off; kind is empty where there is none.
func unseal(encrypted string) (kind, payload string) {
	rest, ours := strings.CutPrefix(encrypted, sealMark)
	if !ours {
		return "", encrypted
	}
	kind, payload, _ = strings.Cut(rest, ".")
	switch kind {
	case sealSignature, sealRedacted, sealPart, sealOwn:
		return kind, payload
	}
	return "", encrypted
}

// sealThought readies a thought of OpenAI's for a client of another dialect.
func sealThought(t *canonical.Thought) {
	if kind, _ := unseal(t.Encrypted); kind == "" && t.Encrypted != "" {
		t.ID, t.Encrypted = "", seal(sealOwn, t.ID+"."+t.Encrypted)
	}
}

// unsealThought is a thought as OpenAI wrote it.
func unsealThought(t canonical.Thought) canonical.Thought {
	if kind, payload := unseal(t.Encrypted); kind == sealOwn {
		t.ID, t.Encrypted, _ = strings.Cut(payload, ".")
	}
	return t
}

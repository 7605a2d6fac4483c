package openairesponses

import "strings"

// Signatures of other providers' thoughts travel through a client in a reasoning item's encrypted_content, which clients hand back as it
// is: behind a mark that says what they are.
const (
	sealMark      = "tollhouse."
	sealSignature = "signature" // of the thought that stands in the item
	sealRedacted  = "redacted"  // a thought that another provider encrypted
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
	case sealSignature, sealRedacted, sealPart:
		return kind, payload
	}
	return "", encrypted
}

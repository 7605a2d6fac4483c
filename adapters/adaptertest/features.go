package adaptertest

import (
	"io/fs"

	"github.com/tollhouse/tollhouse/adapters"
)

// Features say what a provider can do: they select what is asked of it, and document it.
type Features struct {
	Dialect adapters.Codec    // that it speaks
	BaseURL string            // the path of its base URL: /v1
	Options map[string]string // of the registry
	Model   string            // that it takes for one of its own; m-1 where any does

	RequestID string // the header in which it names a request; empty: none

	Stream        bool // it streams
	Usage         bool // it reports usage; where it does not, or not to the end, the books have an estimate
	CachedTokens  bool // its usage says what came from a cache
	Tools         bool // its models call tools, several at once
	Pieces        bool // a call's arguments come in pieces
	Images        bool
	Structured    bool // an answer by a JSON schema
	Thinking      bool // thoughts are shown
	Signatures    bool // thoughts, or what was said with them, are signed and must come back so
	OverloadIn200 bool // it may answer 200 and say then that it is overloaded

	// Clients are other dialects in which it is asked, in translation; the provider's own is always.
	Clients []adapters.Codec
	// Scenarios hold what clients of each dialect ask and providers of each answer: NAME.txtar with sections DIALECT.request,
	// DIALECT.answer and DIALECT.stream.
	Scenarios fs.FS
}

// scenarios that the features select, by the names of their files.
func (f *Features) scenarios() (names []string) {
	for _, s := range []struct {
		name string
		has  bool
	}{{"text", true}, {"tool", f.Tools}, {"tools", f.Tools}, {"image", f.Images}, {"schema", f.Structured}, {"thinking", f.Thinking}} {
		if s.has {
			names = append(names, s.name)
		}
	}
	return names
}

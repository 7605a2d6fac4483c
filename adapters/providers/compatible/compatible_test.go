package compatible

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/openairesponses"
)

// Who speaks Responses is asked in them by their own clients only; of a server that nobody knows, the registry says whether it does.
func TestWhoSpeaksResponses(t *testing.T) {
	own := openairesponses.Dialect{}
	speaks := map[string]bool{"openai": true, "groq": true, "deepseek": true, "xai": true, "openrouter": true}
	for _, p := range Vendors() {
		for _, op := range []adapters.Operation{adapters.OperationChat, adapters.OperationStored} {
			if got := p.Dialect(own, op, "m") == own; got != speaks[p.Name()] {
				t.Errorf("%s speaks Responses: %v", p.Name(), got)
			}
		}
		if p.Dialect(anthropic.Dialect{}, adapters.OperationChat, "m") == own {
			t.Errorf("%s is asked for Responses by others", p.Name())
		}
		for option, want := range map[string]bool{"true": true, "false": false} {
			asked := p.(adapters.Optional).With(map[string]string{"responses": option})
			if p.Name() != "openai_compatible" {
				want = speaks[p.Name()]
			}
			if got := asked.Dialect(own, adapters.OperationChat, "m") == own; got != want {
				t.Errorf("%s with responses: %s speaks them: %v", p.Name(), option, got)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, p := range Vendors() {
		for value, compatible := range map[string]string{"true": "", "false": "", "perhaps": "responses: must be true or false"} {
			want := compatible
			if p.Name() != "openai_compatible" {
				want = "responses: unknown key for provider " + p.Name()
			}
			var got []string
			for _, err := range p.Check(&adapters.Registry{Options: map[string]string{"responses": value}}) {
				got = append(got, err.Error())
			}
			if strings.Join(got, "") != want {
				t.Errorf("%s, %s: %q, want %q", p.Name(), value, got, want)
			}
		}
	}
}

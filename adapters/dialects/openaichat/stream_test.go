package openaichat

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

const chunk = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06","service_tier":"default",` +
	`"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null}`

// A chunk that is passed through is scanned, not decoded: its cost is bounded in allocations.
func TestAChunkIsReadWithoutGarbage(t *testing.T) {
	facts := &adapters.ProviderResponse{}
	r := Dialect{}.NewStreamReader(&adapters.RequestContext{}, facts)
	data := []byte(chunk)
	n := testing.AllocsPerRun(100, func() {
		if d, err := r.Event("", data); err != nil || d != adapters.Content {
			t.Fatal(d, err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}

func TestDispositions(t *testing.T) {
	read := func(includeUsage bool, chunks ...string) (got []adapters.Disposition, facts *adapters.ProviderResponse, err error) {
		facts = &adapters.ProviderResponse{}
		r := Dialect{}.NewStreamReader(&adapters.RequestContext{Inspection: adapters.Inspection{IncludeUsage: includeUsage}}, facts)
		for _, c := range chunks {
			d, err := r.Event("", []byte(c))
			got = append(got, d)
			if err != nil {
				return got, facts, err
			}
		}
		return got, facts, r.End()
	}
	role := `{"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`
	word := `{"choices":[{"index":0,"delta":{"content":"a"}}]}`
	stop := `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	usage := `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
	filter := `{"choices":[],"prompt_filter_results":[]}`
	for name, c := range map[string]struct {
		include  bool
		chunks   []string
		want     string
		evidence events.Evidence
		broken   bool
	}{
		"whole":               {false, []string{filter, role, word, stop, usage, "[DONE]"}, "OOCCDL", events.EvidenceReported, false},
		"usage asked for":     {true, []string{role, word, stop, usage, "[DONE]"}, "OCCCL", events.EvidenceReported, false},
		"no usage":            {false, []string{role, word, stop, "[DONE]"}, "OCCL", events.EvidenceEstimated, false},
		"no [DONE]":           {false, []string{role, word, stop, usage}, "OCCD", events.EvidenceReported, false},
		"cut":                 {false, []string{role, word}, "OC", events.EvidenceEstimated, true},
		"an error":            {false, []string{role, `{"error":{"message":"m","type":"server_error","code":"503"}}`}, "OF", "", true},
		"not JSON":            {false, []string{role, `{"choices"`}, "OF", "", true},
		"a comment":           {false, []string{"", word, stop, "[DONE]"}, "OCCL", events.EvidenceEstimated, false},
		"usage with a choice": {false, []string{word, `{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, "[DONE]"}, "CCL", events.EvidenceReported, false},
	} {
		got, facts, err := read(c.include, c.chunks...)
		var letters strings.Builder
		for _, d := range got {
			letters.WriteByte("OCDLF"[d])
		}
		if letters.String() != c.want || (err != nil) != c.broken || c.evidence != "" && facts.Evidence != c.evidence {
			t.Errorf("%s: %s, evidence %s, %v; want %s, %s", name, letters.String(), facts.Evidence, err, c.want, c.evidence)
		}
	}
}

func FuzzStream(f *testing.F) {
	for _, s := range []string{chunk, "[DONE]", `{"error":"x"}`, `{"choices":[{"delta":null}],"usage":{}}`, `{"x_groq":{"usage":{"prompt_tokens":1}}}`} {
		f.Add("", []byte(s))
	}
	f.Fuzz(func(_ *testing.T, name string, data []byte) {
		r := Dialect{}.NewStreamReader(&adapters.RequestContext{}, &adapters.ProviderResponse{})
		_, _ = r.Event(name, data)
		_, _ = r.Event("", []byte("[DONE]"))
		_ = r.End()
		_ = Dialect{}.ReadAnswer(adapters.OperationChat, data, &adapters.ProviderResponse{})
		_, _ = Dialect{}.Inspect(adapters.OperationChat, "", data)
	})
}

func BenchmarkEvent(b *testing.B) {
	r := Dialect{}.NewStreamReader(&adapters.RequestContext{}, &adapters.ProviderResponse{})
	data := []byte(chunk)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := r.Event("", data); err != nil {
			b.Fatal(err)
		}
	}
}

// What a chunk has in common with the one before is not read again, whatever follows it.
func TestChunksOfOneName(t *testing.T) {
	const name = `{"id":"1","model":"m","choices":`
	const told = `{"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"id":"1","choices":`
	word := `[{"index":0,"delta":{"content":"a"}}]}`
	for _, c := range []struct {
		chunks []string
		want   string // of the last: C, D, F
	}{
		{[]string{name + word, name + word}, "C"},
		{[]string{name + word, name + `[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`}, "D"},
		{[]string{name + word, name + `[],"error":{"message":"m","type":"server_error"}}`}, "F"},
		{[]string{told + `[]}`, told + `[]}`}, "D"},
		{[]string{name + word, name}, "F"},
		{[]string{name + word, name + `[`}, "F"},
		{[]string{name + word, name + word + `x`}, "F"},
		{[]string{name + word, name + `[],}`}, "F"},
		{[]string{name + word, name + `[],"choices":` + word}, "C"},
	} {
		var got []adapters.Disposition
		for _, before := range []bool{true, false} { // read behind the others, or by itself
			r := Dialect{}.NewStreamReader(&adapters.RequestContext{}, &adapters.ProviderResponse{})
			for _, chunk := range c.chunks[:len(c.chunks)-1] {
				if !before {
					chunk = " " + chunk
				}
				_, _ = r.Event("", []byte(chunk))
			}
			d, _ := r.Event("", []byte(c.chunks[len(c.chunks)-1]))
			got = append(got, d)
		}
		want := map[string]adapters.Disposition{"C": adapters.Content, "D": adapters.Drop, "F": adapters.Failed}[c.want]
		if got[0] != want || got[1] != want {
			t.Errorf("%q: %v, want %v", c.chunks, got, want)
		}
	}
}

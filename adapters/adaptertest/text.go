package adaptertest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// facts checks what every good answer must give.
func (s *suite) facts(t *testing.T, g got) {
	t.Helper()
	if g.err != nil || g.Outcome != adapters.OutcomeSuccess || g.FinishReason != events.FinishStop || g.FirstByteAt.IsZero() {
		t.Fatalf("%+v, %v", g.ProviderResponse, g.err)
	}
	if s.f.Usage && (g.Evidence != events.EvidenceReported || g.Usage.InputTokens != 20 || g.Usage.OutputTokens != 5) {
		t.Errorf("usage %+v (%s)", g.Usage, g.Evidence)
	}
	if s.f.CachedTokens && g.Usage.CacheReadTokens != 8 {
		t.Errorf("%d tokens are said to come from a cache", g.Usage.CacheReadTokens)
	}
	if s.f.RequestID != "" && g.UpstreamRequestID != "up-1" {
		t.Errorf("the provider's request id is %q", g.UpstreamRequestID)
	}
}

func (s *suite) text(t *testing.T) {
	s.answer(s.fixture["answer"])
	g := s.call(t.Context(), t, false)
	s.facts(t, g)
	if g.body != s.fixture["answer"] {
		t.Errorf("the client got\n%s", g.body)
	}
	if !strings.Contains(fmt.Sprint(s.seen.Header, s.seen.URL), secret) {
		t.Error("the credential was not sent")
	}
}

// noUsage: what is not reported is estimated, and marked so.
func (s *suite) noUsage(t *testing.T) {
	s.answer(s.fixture["answer without usage"])
	estimated(t, "whole", s.call(t.Context(), t, false))
	if s.f.Stream {
		stream := ReadStream(withoutUsage(t, s.fixture["stream"]))
		s.streams(stream.Type, stream.Events, false)
		estimated(t, "streamed", s.call(t.Context(), t, true))
	}
}

func estimated(t *testing.T, how string, g got) {
	t.Helper()
	if g.err != nil || g.Outcome != adapters.OutcomeSuccess || g.Evidence != events.EvidenceEstimated || g.Usage == nil ||
		g.Usage.OutputTokens == 0 || g.Usage.InputTokens == 0 {
		t.Errorf("%s: %+v (%s), %v", how, g.Usage, g.Evidence, g.err)
	}
}

// withoutUsage takes every usage out of a stream.
func withoutUsage(t *testing.T, stream string) string {
	var out strings.Builder
	for line := range strings.Lines(stream) {
		name, payload, ok := strings.Cut(line, ": ")
		var v map[string]any
		if ok && json.Unmarshal([]byte(payload), &v) == nil {
			strike(v, "usage", "usageMetadata")
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			line = name + ": " + string(raw) + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

func strike(v map[string]any, names ...string) {
	for _, name := range names {
		delete(v, name)
	}
	for _, inner := range v {
		if m, ok := inner.(map[string]any); ok {
			strike(m, names...)
		}
	}
}

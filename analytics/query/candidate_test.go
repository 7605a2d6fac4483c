package query

import (
	"strings"
	"testing"
)

// Each attempt tells who was looked at for it; so does one that never began, which is all that a refused request has to tell.
func TestTheCandidatesStandUnderTheirAttempts(t *testing.T) {
	s := &Story{
		RequestID: "req_x", RequestedModel: "fast", Outcome: "failed", Status: 503, Currency: "USD",
		Attempts: []Attempt{
			{Attempt: 1, Registry: "openai", Endpoint: "main", Provider: "openai", SentModel: "gpt-4o"},
			{Attempt: 2, Registry: "azure", Endpoint: "eu", Provider: "azure", SentModel: "gpt-4o"},
		},
		Considered: []Candidate{
			{Attempt: 1, Registry: "cohere", Reason: "model_not_served"},
			{Attempt: 1, Registry: "openai", Endpoint: "main", Model: "gpt-4o", Reason: "chosen", Score: 820},
			{Attempt: 1, Registry: "openai", Endpoint: "second", Model: "gpt-4o", Reason: "circuit_open"},
			{Attempt: 2, Registry: "openai", Endpoint: "main", Model: "gpt-4o", Reason: "tried"},
			{Attempt: 3, Registry: "openai", Endpoint: "main", Model: "gpt-4o", Reason: "rate_limited"},
			{Attempt: 2, Registry: "azure", Endpoint: "eu", Model: "gpt-4o-eu", Reason: "chosen"},
			{Attempt: 2, Registry: "azure", Endpoint: "us", Model: "gpt-4o", Reason: "behind", Score: 1240},
			{Attempt: 3, Registry: "azure", Endpoint: "eu", Model: "fast", Reason: "busy"},
		},
	}
	s.place()
	var out strings.Builder
	if err := s.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "  attempt") || strings.HasPrefix(line, "    considered") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		"attempt 1 openai/main (openai) with gpt-4o",
		"considered openai/main chosen (score 820), cohere model_not_served, openai/second circuit_open",
		"attempt 2 azure/eu (azure) with gpt-4o",
		"considered azure/eu as gpt-4o-eu chosen, openai/main tried, azure/us behind (score 1240)",
		"attempt 3 never began, as far as the books know",
		"considered openai/main as gpt-4o rate_limited, azure/eu busy",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}

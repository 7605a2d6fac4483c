package all

import (
	"bytes"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
	"github.com/tollhouse/tollhouse/adapters/dialects/openairesponses"
	"github.com/tollhouse/tollhouse/events"
)

// TestRecordedResponsesPassUntouchedAndAreCounted replays what OpenAI, and those that speak its Responses, answered.
func TestRecordedResponsesPassUntouchedAndAreCounted(t *testing.T) {
	dir := corpus.Dir(t)
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	compatible := set.Provider("openai_compatible").(adapters.Optional).With(map[string]string{"responses": "true"})
	for api, provider := range map[string]adapters.Provider{
		"openai/responses":                set.Provider("openai"),
		"azure/responses":                 set.Provider("azure"),
		"bedrock/openai_compat_responses": compatible,
		"deepseek/responses":              set.Provider("deepseek"),
		"openrouter/responses":            set.Provider("openrouter"),
		"xai/responses":                   set.Provider("xai"),
	} {
		for _, r := range corpus.Load(t, dir, api) {
			t.Run(api+"/"+r.Name, func(t *testing.T) {
				replay(t, provider, openairesponses.Dialect{}, "/v1/responses", &r)
			})
		}
	}
}

// What asks for a stored response passes untouched, too, and is told from what made it: its usage is not counted again.
func TestARecordedStoredResponseIsNotCountedAgain(t *testing.T) {
	for _, r := range corpus.Load(t, corpus.Dir(t), "openai/responses_get") {
		facts := &adapters.ProviderResponse{}
		if err := (openairesponses.Dialect{}).ReadAnswer(adapters.OperationStored, bytes.Clone(r.Response), facts); err != nil {
			t.Fatalf("%s: %v", r.Name, err)
		}
		if facts.Outcome != adapters.OutcomeSuccess || facts.Evidence != events.EvidenceNone || facts.Usage != nil ||
			facts.ResponseID != *r.Expect.ID || facts.Model != *r.Expect.Model || facts.NativeFinishReason != *r.Expect.FinishReason {
			t.Errorf("%s: %+v", r.Name, facts)
		}
	}
}

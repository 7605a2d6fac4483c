package events

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var at = time.Date(2026, 11, 23, 10, 0, 0, 120_000_000, time.UTC)

func acceptSample() Accept {
	return Accept{
		RequestID: "req_01jd", Consumer: "web-app", KeyID: "9f86d081884c", Dialect: "openai_chat",
		Labels:         map[string]string{"team": "growth", "quote": `a "b" \ ` + "\n\x01é\u2028"},
		RequestedModel: "gpt-4o", Stream: true, BodyBytes: 483, ReceivedAt: at,
	}
}

var considered = []Considered{
	{Attempt: 1, Registry: "other", Reason: NotServed},
	{Attempt: 1, Registry: "main", Endpoint: "a", Model: "gpt-4o-2024", Reason: Chosen, Score: 1240},
	{Attempt: 2, Registry: "main", Endpoint: "a", Model: "gpt-4o-2024", Reason: TriedBefore},
	{Attempt: 2, Registry: "main", Endpoint: "b", Model: `"gpt-4é"`, Reason: Chosen, Score: 1<<64 - 1},
}

func samples() []Event {
	n := func(id string) Numbered {
		return Numbered{EventID: id, GatewayID: "gw-1", Epoch: 1793000000000000, Seq: 7}
	}
	settled := &AttemptSettled{
		Numbered: n("req_01jd/1/settled"), Accept: acceptSample(), Attempt: 1, Provider: "openai", Registry: "main",
		Endpoint: "a", SentModel: "gpt-4o-2024", Model: "gpt-4o-2024-08-06", ResponseID: "chatcmpl-1",
		UpstreamRequestID: "req_up", Outcome: AttemptSuccess, Status: 200, FinishReason: FinishStop,
		NativeFinishReason: "stop", UsageEvidence: EvidenceReported,
		Usage: Usage{
			InputTokens: 100, CacheReadTokens: 40, CacheWriteTokens: 20, CacheWrite1hTokens: 5, InputAudioTokens: 3,
			OutputTokens: 50, ReasoningTokens: 30, OutputAudioTokens: 2,
			OtherUnits: map[string]uint64{"web_search_requests": 2, "a": 1},
		},
		OutputLimit: 4096, StartedAt: at, FirstByteAt: at.Add(time.Millisecond), FinishedAt: at.Add(time.Second),
		SettledBy: SettledByGateway,
	}
	return []Event{
		settled,
		&RequestClosed{
			Numbered: n("req_01jd/closed"), Accept: acceptSample(), Status: 200, Outcome: RequestSuccess, Attempts: 2,
			WinningAttempt: 2, FinishReason: FinishStop, Dropped: []string{"seed", "logit_bias"},
			Considered: considered, ClosedAt: at.Add(time.Second), GatewayOverheadUS: 87,
		},
		&Checkpoint{
			Numbered: n("gw-1/1793000000000000/7/open"), Kind: CheckpointOpen, At: at,
			Counters: Counters{Accepted: 5, Closed: 4, Started: 6, Settled: 5, Abandoned: 1}, OpenRequests: 1,
			OpenAttempts: 1, OpenInputTokens: 20, OpenOutputTokens: 100, OpenUnlimited: 1, PreviousEpoch: 3,
			JournalID: "j", Sync: "batch", BootID: "b", Version: "v1",
		},
		&Gap{
			Numbered: n("gw-1/1793000000000000/7/gap"), Reason: GapPowerLoss, At: at, From: at, Until: at, Count: 3,
			CountKnown: true, FirstSeq: 4, LastSeq: 6, InputTokens: 9, OutputTokens: 8, AboutEpoch: 5, By: "ops",
		},
	}
}

func TestEventsSurviveTheirJSON(t *testing.T) {
	for _, e := range samples() {
		payload, seqAt := e.AppendJSON(nil)
		PatchSeq(payload, seqAt, 1<<53-1)
		if !json.Valid(payload) {
			t.Fatalf("%s: not JSON: %s", e.Type(), payload)
		}
		got, err := Decode(e.Type(), payload)
		if err != nil {
			t.Fatal(err)
		}
		e.Number().Seq = 1<<53 - 1
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("%s changed (-sent +read):\n%s", e.Type(), diff)
		}
	}
}

func TestTimesHaveMicroseconds(t *testing.T) {
	payload, _ := samples()[0].AppendJSON(nil)
	if want := `"started_at":"2026-11-23T10:00:00.120000Z"`; !strings.Contains(string(payload), want) {
		t.Errorf("no %s in %s", want, payload)
	}
}

func TestOneStateHasOneEncoding(t *testing.T) {
	first, _ := samples()[0].AppendJSON(nil)
	for range 50 {
		if again, _ := samples()[0].AppendJSON(nil); string(again) != string(first) {
			t.Fatalf("encoding differs:\n%s\n%s", first, again)
		}
	}
}

func TestDecodeRefusesWhatHasNoIdentity(t *testing.T) {
	for name, payload := range map[string]string{
		"empty": `{}`, "cut": `{"event_id":"x"`, "no seq": `{"event_id":"x","gateway_id":"g","epoch":1}`,
		"float": `{"event_id":"x","gateway_id":"g","epoch":1,"seq":1.5}`,
		"null":  `null`, "array": `[]`,
	} {
		if e, err := Decode(TypeAttemptSettled, []byte(payload)); err == nil {
			t.Errorf("%s: decoded to %+v", name, e)
		}
	}
	if _, err := Decode("tollhouse.other.v9", []byte(`{}`)); !errors.Is(err, ErrUnknownType) {
		t.Errorf("unknown type: %v", err)
	}
}

func TestInvalidUTF8BecomesTheReplacementCharacter(t *testing.T) {
	got := string(appendJSONString(nil, "a\xffb\xc3"))
	if want := "\"a\ufffdb\ufffd\""; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUsagePartsNeverExceedTheWhole(t *testing.T) {
	u := Usage{
		InputTokens: 10, CacheReadTokens: 8, CacheWriteTokens: 8, CacheWrite1hTokens: 9, InputAudioTokens: 11,
		OutputTokens: 5, ReasoningTokens: 6, OutputAudioTokens: 1,
	}
	if !u.Normalize() {
		t.Error("nothing was cut")
	}
	want := Usage{
		InputTokens: 10, CacheReadTokens: 8, CacheWriteTokens: 2, CacheWrite1hTokens: 2, InputAudioTokens: 10,
		OutputTokens: 5, ReasoningTokens: 5, OutputAudioTokens: 1,
		OtherUnits: map[string]uint64{
			"reported_cache_write_tokens": 8, "reported_cache_write_1h_tokens": 9, "reported_input_audio_tokens": 11,
			"reported_reasoning_tokens": 6,
		},
	}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Error(diff)
	}
	if u.Normalize() {
		t.Error("a usage that fits was cut")
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	crowded := *samples()[1].(*RequestClosed)
	for range 3 * MaxConsidered {
		crowded.Considered = append(crowded.Considered, considered...)
	}
	buf := make([]byte, 0, 4*MaxConsideredBytes)
	for _, e := range []Event{samples()[0], samples()[1], &crowded} {
		if n := testing.AllocsPerRun(100, func() { buf, _ = e.AppendJSON(buf[:0]) }); n > 1 {
			t.Errorf("%s: %v allocations an event, want at most 1 (the object's header)", e.Type(), n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		payload, _ := e.AppendJSON(nil)
		f.Add(e.Type(), payload)
	}
	f.Add(TypeRequestClosed, []byte(`{"event_id":"x","gateway_id":"g","epoch":1,"seq":1,"request_id":"r","closed_at":"2026-01-01T00:00:00Z",
		"considered":[{"attempt":65535,"registry":"\ud800","reason":"newer","score":18446744073709551615,"more":1},{}]}`))
	f.Add(TypeGap, []byte(`{"event_id":"x","gateway_id":"g","epoch":1,"seq":1,"at":"2026-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, eventType string, payload []byte) {
		e, err := Decode(eventType, payload)
		if err != nil {
			return
		}
		again, _ := e.AppendJSON(nil)
		if _, err := Decode(eventType, again); err != nil {
			t.Errorf("%s was read, written as %s, and not read again: %v", payload, again, err)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	closed := func(candidates int) Event {
		e := *samples()[1].(*RequestClosed)
		e.Considered = nil
		for i := range candidates {
			c := Considered{Attempt: 1, Registry: "openai", Endpoint: "main", Model: "gpt-4o", Reason: Behind, Score: uint64(1000 + i)}
			if i == 0 {
				c.Reason, c.Score = Chosen, 0
			}
			e.Considered = append(e.Considered, c)
		}
		return &e
	}
	for name, e := range map[string]Event{
		"settled": samples()[0], "closed/0": closed(0), "closed/1": closed(1), "closed/3": closed(3), "closed/32": closed(MaxConsidered),
	} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 4*MaxConsideredBytes)
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = e.AppendJSON(buf[:0])
			}
			b.ReportMetric(float64(len(buf)), "bytes")
		})
	}
}

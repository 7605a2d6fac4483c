package events

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func candidates(t *rapid.T) []Considered {
	name := rapid.OneOf(rapid.SampledFrom([]string{"", "openai", "a", "gpt-4o"}), rapid.String(),
		rapid.Map(rapid.IntRange(0, 300), func(n int) string { return strings.Repeat("é\x01", n) }))
	one := rapid.Custom(func(t *rapid.T) Considered {
		return Considered{
			Attempt: rapid.Uint16Range(1, 40).Draw(t, "attempt"), Registry: name.Draw(t, "registry"), Endpoint: name.Draw(t, "endpoint"),
			Model: name.Draw(t, "model"), Score: rapid.Uint64().Draw(t, "score"),
			Reason: rapid.SampledFrom([]Reason{Chosen, Behind, TriedBefore, NotServed, OtherFormat}).Draw(t, "reason"),
		}
	})
	return rapid.SliceOfN(one, 0, 2*MaxConsidered).Draw(t, "candidates")
}

// cut is what is told of a candidate.
func cut(c Considered) Considered {
	c.Registry, c.Endpoint, c.Model = cutName(c.Registry), cutName(c.Endpoint), cutName(c.Model)
	return c
}

// Whatever the candidates are: the list in the event is within its bounds, in order, and holds the chosen ones before any other; and it is
// written again as it was read.
func TestConsideredStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := candidates(t)
		e := samples()[1].(*RequestClosed)
		e.Considered = nil
		without, _ := e.AppendJSON(nil)
		e.Considered = all
		with, _ := e.AppendJSON(nil)
		if more := len(with) - len(without); more > MaxConsideredBytes+len(`,"considered":[]`) {
			t.Fatalf("%d bytes more", more)
		}
		decoded, err := Decode(e.Type(), with)
		if err != nil {
			t.Fatal(err)
		}
		kept := decoded.(*RequestClosed).Considered
		if len(kept) > MaxConsidered {
			t.Fatalf("%d are kept", len(kept))
		}
		rest, chosenAfter, dropped := all, 0, 0
		for _, c := range kept {
			i := slices.IndexFunc(rest, func(o Considered) bool { return cut(o) == c })
			if i < 0 {
				t.Fatalf("%+v was not considered, or before its predecessor: %+v", c, all)
			}
			dropped += i
			rest = rest[i+1:]
			if c.Reason == Chosen {
				chosenAfter++
			}
		}
		dropped += len(rest)
		chosenBefore := 0
		for _, c := range all {
			if c.Reason == Chosen {
				chosenBefore++
			}
		}
		others := len(kept) - chosenAfter
		if small(all) && (chosenAfter != min(chosenBefore, MaxConsidered) || others != min(len(all)-chosenBefore, MaxConsidered-chosenAfter)) {
			t.Fatalf("%d of %d chosen and %d others of %d are kept", chosenAfter, chosenBefore, others, len(all))
		}
		if len(all) <= MaxConsidered && small(all) && dropped != 0 {
			t.Fatalf("%d of %d are dropped", dropped, len(all))
		}
		again := *e
		again.Considered = kept
		if out, _ := again.AppendJSON(nil); string(out) != string(with) {
			t.Fatalf("read and written again:\n%s\n%s", with, out)
		}
	})
}

// small says that the bytes alone take nothing out.
func small(all []Considered) bool {
	total := 0
	for _, c := range all {
		raw, _ := json.Marshal(cut(c))
		total += 2 * len(raw) // encoding/json knows shorter escapes than ours
	}
	return total < MaxConsideredBytes
}

func TestAddConsideredKeepsTheLastWordAndTheChosen(t *testing.T) {
	one := func(attempt uint16, registry string, why Reason) Considered {
		return Considered{Attempt: attempt, Registry: registry, Reason: why}
	}
	var all []Considered
	for range 5 { // rounds
		all = AddConsidered(all, one(1, "a", Behind))
		all = AddConsidered(all, one(1, "b", "busy"))
	}
	all = AddConsidered(all, one(1, "b", Chosen))
	want := []Considered{one(1, "a", Behind), one(1, "b", Chosen)}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Fatal(diff)
	}
	for i := range uint16(2 * MaxConsidered) {
		all = AddConsidered(all, one(2+i, "a", Behind))
		all = AddConsidered(all, one(2+i, "c", Chosen))
		if len(all) > MaxConsidered {
			t.Fatalf("%d", len(all))
		}
		if last := all[len(all)-1]; last != one(2+i, "c", Chosen) {
			t.Fatalf("the last chosen is not there: %+v", last)
		}
	}
	for _, c := range all {
		if c.Reason != Chosen {
			t.Errorf("%+v took a chosen one's place", c)
		}
	}
}

// A record of before there was the member is as good as any.
func TestAClosingWithoutCandidatesIsRead(t *testing.T) {
	e := samples()[1].(*RequestClosed)
	e.Considered = nil
	payload, _ := e.AppendJSON(nil)
	if strings.Contains(string(payload), "considered") {
		t.Error("an empty list is written")
	}
	got, err := Decode(e.Type(), payload)
	if err != nil || got.(*RequestClosed).Considered != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

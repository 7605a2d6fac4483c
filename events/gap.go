package events

import "time"

// GapReason says why facts are missing.
type GapReason string

// Reasons of gaps.
const (
	GapJournalCorrupt GapReason = "journal_corrupt" // a record was damaged on disk
	GapPowerLoss      GapReason = "power_loss"      // the machine went down with records not yet on disk
	GapFailOpen       GapReason = "fail_open"       // journal.when_full: serve
	GapJournalLost    GapReason = "journal_lost"    // written off by an operator
)

// Gap is a loss that is known. Its event id is `<gateway>/<epoch>/<seq>/gap`.
type Gap struct {
	Numbered
	Reason GapReason `json:"reason"`
	At     time.Time `json:"at"`
	// From and Until bound the time in which what is missing happened.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// Count is how many records or requests are missing, where CountKnown; else it is a lower bound.
	Count      uint64 `json:"count"`
	CountKnown bool   `json:"count_known"`
	// FirstSeq to LastSeq of this epoch are the published numbers among the missing records; 0 where none is.
	FirstSeq uint64 `json:"first_seq,omitempty"`
	LastSeq  uint64 `json:"last_seq,omitempty"`
	// What the missing requests can have cost at most, in tokens; 0 where unknown.
	InputTokens  uint64 `json:"input_tokens,omitempty"`
	OutputTokens uint64 `json:"output_tokens,omitempty"`
	// AboutEpoch and By name the epoch written off and the operator, for journal_lost.
	AboutEpoch uint64 `json:"about_epoch,omitempty"`
	By         string `json:"by,omitempty"`
}

// AppendJSON appends the event's JSON; seqAt is where PatchSeq writes its number.
func (e *Gap) AppendJSON(dst []byte) (out []byte, seqAt int) {
	j := beginNumbered(dst, &e.Numbered)
	j.str("reason", string(e.Reason))
	j.time("at", e.At)
	j.time("from", e.From)
	j.time("until", e.Until)
	j.uint("count", e.Count)
	j.bool("count_known", e.CountKnown)
	j.optUint("first_seq", e.FirstSeq)
	j.optUint("last_seq", e.LastSeq)
	j.optUint("input_tokens", e.InputTokens)
	j.optUint("output_tokens", e.OutputTokens)
	j.optUint("about_epoch", e.AboutEpoch)
	j.optStr("by", e.By)
	return j.end()
}

package events

import "time"

// CheckpointKind tells the three occasions on which a gateway says where it stands.
type CheckpointKind string

// Kinds of checkpoints.
const (
	CheckpointOpen CheckpointKind = "open" // the first of an epoch
	CheckpointMark CheckpointKind = "mark" // every ten seconds
	CheckpointSeal CheckpointKind = "seal" // the last of an epoch
)

// Counters are cumulative within one epoch of one gateway.
type Counters struct {
	Accepted  uint64 `json:"accepted"`  // requests
	Closed    uint64 `json:"closed"`    // requests
	Started   uint64 `json:"started"`   // attempts
	Settled   uint64 `json:"settled"`   // attempts, the abandoned ones among them
	Abandoned uint64 `json:"abandoned"` // attempts
}

// Checkpoint is a gateway's word about itself: what it has taken on, what it has finished, what is open.
// Its event id is `<gateway>/<epoch>/<seq>/<kind>`.
type Checkpoint struct {
	Numbered
	Kind CheckpointKind `json:"kind"`
	At   time.Time      `json:"at"`
	Counters
	OpenRequests uint64 `json:"open_requests"`
	OpenAttempts uint64 `json:"open_attempts"`
	// What the open attempts can have cost at most: estimated input, allowed output, and how many allowed any output.
	OpenInputTokens  uint64 `json:"open_input_tokens"`
	OpenOutputTokens uint64 `json:"open_output_tokens"`
	OpenUnlimited    uint64 `json:"open_unlimited"`

	// Only on kind open.
	PreviousEpoch uint64 `json:"previous_epoch,omitempty"`
	JournalID     string `json:"journal_id,omitempty"`
	Sync          string `json:"sync,omitempty"` // batch, always or none
	BootID        string `json:"boot_id,omitempty"`
	Version       string `json:"version,omitempty"`
}

// AppendJSON appends the event's JSON; seqAt is where PatchSeq writes its number.
func (e *Checkpoint) AppendJSON(dst []byte) (out []byte, seqAt int) {
	j := beginNumbered(dst, &e.Numbered)
	j.str("kind", string(e.Kind))
	j.time("at", e.At)
	j.uint("accepted", e.Accepted)
	j.uint("closed", e.Closed)
	j.uint("started", e.Started)
	j.uint("settled", e.Settled)
	j.uint("abandoned", e.Abandoned)
	j.uint("open_requests", e.OpenRequests)
	j.uint("open_attempts", e.OpenAttempts)
	j.uint("open_input_tokens", e.OpenInputTokens)
	j.uint("open_output_tokens", e.OpenOutputTokens)
	j.uint("open_unlimited", e.OpenUnlimited)
	if e.Kind == CheckpointOpen {
		j.uint("previous_epoch", e.PreviousEpoch)
		j.str("journal_id", e.JournalID)
		j.str("sync", e.Sync)
		j.str("boot_id", e.BootID)
		j.str("version", e.Version)
	}
	return j.end()
}

// Barrier says, to one partition, how far Kafka has acknowledged a gateway's numbers. It is not an event: the
// relay makes it, the journal does not keep it, and a stored one proves that the partition's share of
// 1…Acked is stored, because a partition is stored in offset order.
type Barrier struct {
	GatewayID  string `json:"gateway_id"`
	Epoch      uint64 `json:"epoch"`
	Acked      uint64 `json:"acked"`
	Partition  int32  `json:"partition"`
	Partitions int32  `json:"partitions"` // how many partitions get this barrier
}

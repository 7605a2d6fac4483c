package adapters

import (
	"iter"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/events"
)

// CanonicalUsage is what an attempt consumed, in the words of events.
type CanonicalUsage = events.Usage

// ProviderResponse is what came of one attempt. The invoker returns one always, also beside an error: what is known
// then (status 0, usage none, class) is what the attempt settles with.
//
// For a stream the facts (usage to finish reason) grow while Stream is drained. They are final when OnFinal is called, or
// when the stream has ended.
type ProviderResponse struct {
	StatusCode int // the upstream's; 0: there was no answer
	// Headers are those that go back to the client; the provider's own spelling.
	Headers http.Header
	// Body is a buffered answer in the client's dialect, also a provider's error. It is pooled: Release gives it back.
	Body []byte
	// Stream yields frames in the client's dialect. Each slice is everything that was ready, to be written verbatim
	// and flushed once, and is valid until the next. A second value that is not nil is the mid-stream error that ended
	// it. Whoever holds the response drains Stream or breaks off, either of which closes the upstream body; it
	// can be ranged over once.
	Stream iter.Seq2[[]byte, error]

	Outcome    Outcome // for a stream: as far as is known
	ErrorClass events.ErrorClass
	RetryAfter time.Duration // what the provider asked for; 0: nothing
	Limits     Limits        // what it says is left

	Usage              *CanonicalUsage // nil where evidence is none
	Evidence           events.Evidence
	Model              string // as echoed
	SentModel          string // as it went on the wire: cost is attributed by it
	FinishReason       events.FinishReason
	NativeFinishReason string
	ResponseID         string
	UpstreamRequestID  string
	Dropped            []string  // what the translation could not carry, by the client's names
	FirstByteAt        time.Time // of the answer's body; zero where none came
	WroteRequestAt     time.Time // when the attempt began to write upstream; zero where it never did
	Host               string    // that it wrote to, with its port where one is named

	// OnFinal, where the caller has set it, is called once when the last fact of a stream has been read, before the frames that end it
	// are yielded.
	OnFinal func()
	// Release gives pooled memory back; nil where there is none. Body must not be read afterwards.
	Release func()
}

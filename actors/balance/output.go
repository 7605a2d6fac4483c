package balance

import "sync"

// Outputs remembers how much models write, as a moving average over what they wrote. Any goroutine may use it.
type Outputs struct {
	mu      sync.Mutex
	average map[string]uint64 // in sixteenths of a token
}

// What is expected of a model that has not written yet, in tokens, and how many models are told apart.
const (
	firstOutput = 512
	maxOutputs  = 1024
)

// NewOutputs knows nothing yet.
func NewOutputs() *Outputs { return &Outputs{average: map[string]uint64{}} }

// Wrote is told how many tokens an answer of a model had.
func (o *Outputs) Wrote(model string, tokens uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	average, known := o.average[model]
	if !known {
		if len(o.average) >= maxOutputs {
			clear(o.average)
		}
		average = tokens << 4
	}
	o.average[model] = average - average>>4 + tokens
}

// Expect returns how many tokens a model is likely to write within a limit; 0: there is none.
func (o *Outputs) Expect(model string, limit uint64) uint64 {
	o.mu.Lock()
	average, known := o.average[model]
	o.mu.Unlock()
	expected := uint64(firstOutput)
	if known {
		expected = average >> 4
	}
	if limit > 0 {
		expected = min(expected, limit)
	}
	return expected
}

package gemini

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
	"github.com/tollhouse/tollhouse/events"
)

// chunk is an answer, or one object of a stream.
type chunk struct {
	id         string
	created    int64
	blocked    bool
	candidates []candidate
}

type candidate struct {
	index     int
	parts     []canonical.Part
	finish    string
	citations []byte // what grounds it, as one object
	logprobs  []byte // as OpenAI writes them
}

// readChunk reads an answer's content. It was scanned before, when its facts were read; what has another form than it should is
// left out, since an answer is no longer to be refused.
func readChunk(body []byte) (c chunk, err error) {
	_, _, err = jsonscan.Object(body, func(key []byte, start, end int) error {
		value := body[start:end]
		switch string(key) {
		case "responseId":
			c.id, _ = jsonscan.String(value)
		case "createTime":
			if s, ok := jsonscan.String(value); ok {
				if at, err := time.Parse(time.RFC3339, s); err == nil {
					c.created = at.Unix()
				}
			}
		case "promptFeedback":
			c.blocked = strings.Contains(string(value), `"blockReason"`)
		case "candidates":
			return each(value, func(one []byte) error {
				c.candidates = append(c.candidates, readCandidate(one))
				return nil
			})
		}
		return nil
	})
	return c, err
}

func readCandidate(value []byte) (c candidate) {
	grounds := &object{}
	_ = fields(value, "", func(name string, value []byte) error {
		switch name {
		case "index":
			n, _ := jsonscan.Uint(value)
			c.index = int(min(n, 1<<16))
		case "finishReason":
			c.finish, _ = jsonscan.String(value)
		case "logprobsResult":
			c.logprobs = decodeLogprobs(value)
		case "groundingMetadata", "citationMetadata", "urlContextMetadata":
			grounds.set(name, clone(value))
		case "content":
			return fields(value, "", func(name string, value []byte) error {
				if name != "parts" {
					return nil
				}
				return items(value, "", func(_ int, value []byte) error {
					p, _, err := decodePart(value, "")
					p.Field = ""
					if err == nil && (p.Kind != canonical.Text || p.Text != "" || p.Signature != "") { // an empty text says nothing
						c.parts = append(c.parts, p)
					}
					return nil
				})
			})
		}
		return nil
	})
	if len(grounds.names) > 0 {
		c.citations = encode(grounds)
	}
	return c
}

// ids gives ids to calls that Gemini gave none. Other dialects cannot do without, and a conversation must not have one twice.
type ids struct {
	base string
	n    int
}

func (g *ids) name(c *canonical.Call, answer string) {
	if c.ID != "" {
		return
	}
	if g.base == "" {
		if g.base = answer; g.base == "" || len(g.base) > 40 || strings.Trim(g.base, idLetters) != "" {
			g.base = rand.Text()
		}
	}
	c.ID = made + g.base + "_" + string(encode(g.n))
	g.n++
}

const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// DecodeAnswer reads a buffered answer.
func (Dialect) DecodeAnswer(body []byte) (*canonical.Response, error) {
	c, err := readChunk(body)
	if err != nil {
		return nil, err
	}
	r := &canonical.Response{Created: c.created}
	var made ids
	for _, one := range c.candidates {
		choice := canonical.Choice{Index: one.index, Parts: one.parts, Logprobs: one.logprobs}
		calls := false
		for i := range choice.Parts {
			switch p := &choice.Parts[i]; p.Kind {
			case canonical.ToolCall:
				calls = true
				made.name(p.Call, c.id)
			case canonical.Text:
				if one.citations != nil && lastText(choice.Parts) == i {
					p.Citations, p.Dialect = one.citations, Name
				}
			}
		}
		choice.Finish = finish(one.finish, calls)
		r.Choices = append(r.Choices, choice)
	}
	if c.blocked && len(r.Choices) == 0 {
		r.Choices = []canonical.Choice{{Finish: events.FinishContentFilter}}
	}
	return r, nil
}

// lastText is the place of the last text: what grounds an answer stands there.
func lastText(parts []canonical.Part) int {
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i].Kind == canonical.Text {
			return i
		}
	}
	return -1
}

package gemini

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// content is one turn while it is written.
type content struct {
	role  string
	parts []part
}

// part is one part of it.
type part struct {
	written      any     // *object, or raw JSON
	call, result *string // the id of a call, of the call that a result answers
}

func (c *content) results() bool {
	return slices.ContainsFunc(c.parts, func(p part) bool { return p.result != nil })
}

// takes reports whether what follows belongs to the same turn.
func (c *content) takes(next *content) bool {
	return c.role == next.role && (c.role == "model" || c.results() && next.results())
}

// follow puts the results in the order of the calls that they answer, and all else behind them.
func (c *content) follow(calls *content) {
	if !c.results() {
		return
	}
	place := func(p part) int {
		if p.result == nil {
			return len(calls.parts) + 1
		}
		i := slices.IndexFunc(calls.parts, func(q part) bool { return q.call != nil && *q.call == *p.result })
		if i < 0 {
			return len(calls.parts)
		}
		return i
	}
	slices.SortStableFunc(c.parts, func(a, b part) int { return place(a) - place(b) })
}

// unsigned stands for a thought signature that there is none of: Gemini 3 refuses calls without one, and Google gives this word for
// those that another model made.
const unsigned = "skip_thought_signature_validator"

// sign puts it on the first call of a turn in which no call is signed.
func (c *content) sign() {
	var first *object
	for _, p := range c.parts {
		o, ok := p.written.(*object)
		if !ok || p.call == nil {
			continue
		}
		if _, signed := o.values["thoughtSignature"]; signed {
			return
		}
		if first == nil {
			first = o
		}
	}
	if first != nil {
		first.set("thoughtSignature", unsigned)
	}
}

func (e *encoder) parts(m *canonical.Message) ([]part, error) {
	var all []part
	for i := range m.Parts {
		p := &m.Parts[i]
		e.loseIf(p.Cache != nil, p.Field+".cache_control", true)
		e.loseIf(p.Citations != nil && p.Dialect != Name, p.Field+".citations", true)
		signature := p.Signature
		if p.Thought != nil {
			signature = p.Thought.Signature
		}
		e.loseIf(!base64Text(signature), p.Field+".signature", true)
		switch p.Kind {
		case canonical.Foreign:
			if p.Dialect != Name {
				e.lose(p.Field, false)
				continue
			}
			all = append(all, part{written: p.Raw})
		case canonical.Thinking:
			if p.Thought.Text == "" && p.Thought.Signature == "" {
				e.lose(p.Field, true) // only its own model can read it
				continue
			}
			all = append(all, part{written: thoughtPart(p.Thought.Text, p.Thought.Signature)})
		case canonical.ToolCall:
			e.names[p.Call.ID] = p.Call.Name
			written, wrapped := callPart(p.Call, p.Signature)
			e.loseIf(wrapped && !p.Call.Custom, p.Field+".arguments", false)
			all = append(all, part{written: written, call: &p.Call.ID})
		case canonical.ToolResult:
			results, err := e.result(p)
			if err != nil {
				return nil, err
			}
			all = append(all, results...)
		case canonical.Image, canonical.Audio, canonical.Video, canonical.File:
			if o := e.media(p); o != nil {
				sign(o, p.Signature)
				all = append(all, part{written: o})
			}
		default: // text, and a refusal, which is text here
			o := &object{}
			o.set("text", p.Text)
			sign(o, p.Signature)
			all = append(all, part{written: o})
		}
	}
	return all, nil
}

// sign puts a signature on a part. It is bytes to Google: what is no base64 cannot be Google's, and would be refused.
func sign(o *object, signature string) {
	if signature != "" && base64Text(signature) {
		o.set("thoughtSignature", signature)
	}
}

func base64Text(s string) bool {
	_, err := base64.StdEncoding.DecodeString(standard(s))
	return err == nil
}

// isNewer reports whether a model is of Gemini 3 or later, as aliases like gemini-flash-latest are.
func isNewer(model string) bool {
	return strings.HasPrefix(model, "gemini-") && !strings.HasPrefix(model, "gemini-1") && !strings.HasPrefix(model, "gemini-2")
}

func thoughtPart(text, signature string) *object {
	o := &object{}
	o.set("text", text)
	o.set("thought", true)
	sign(o, signature)
	return o
}

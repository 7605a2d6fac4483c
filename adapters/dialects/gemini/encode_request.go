package gemini

import (
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// encoder writes one request.
type encoder struct {
	r     *canonical.Request
	out   object
	lost  []canonical.Loss
	names map[string]string // of functions, by the id of their call
}

// EncodeRequest writes the body of generateContent.
func (Dialect) EncodeRequest(r *canonical.Request) ([]byte, []canonical.Loss, error) {
	e := encoder{r: r, names: map[string]string{}}
	if err := e.messages(); err != nil {
		return nil, nil, err
	}
	e.tools()
	e.choice()
	e.config()
	e.hints()
	for _, o := range r.Others {
		if o.Dialect != Name || strings.Contains(o.Name, "[") {
			e.lose(o.Name, o.Hint)
			continue
		}
		e.out.at(o.Name, o.Value)
	}
	return encode(&e.out), e.lost, nil
}

// lose names what Gemini has no place for.
func (e *encoder) lose(field string, hint bool) {
	e.lost = append(e.lost, canonical.Loss{Field: field, Hint: hint})
}

// loseIf names it where it was given.
func (e *encoder) loseIf(given bool, field string, hint bool) {
	if given {
		e.lose(field, hint)
	}
}

// messages writes systemInstruction and contents. The system's words all go to the front, where alone Gemini has a place for them.
//
// A model's turn is one content, and so are the results of all its calls, in the calls' order: Gemini refuses a conversation in which
// the results do not stand together.
func (e *encoder) messages() error {
	var system []any
	var contents []*content
	for i := range e.r.Messages {
		m := &e.r.Messages[i]
		e.loseIf(m.Name != "", fmt.Sprintf("messages[%d].name", i), true)
		parts, err := e.parts(m)
		if err != nil {
			return err
		}
		if m.Role == canonical.System || m.Role == canonical.Developer {
			for _, p := range parts {
				system = append(system, p.written)
			}
			continue
		}
		next := &content{role: "user", parts: parts}
		if m.Role == canonical.Assistant {
			next.role = "model"
		}
		if n := len(contents); n > 0 && contents[n-1].takes(next) {
			contents[n-1].parts = append(contents[n-1].parts, next.parts...)
			continue
		}
		contents = append(contents, next)
	}
	if len(system) > 0 {
		e.out.child("systemInstruction").set("parts", system)
	}
	written := make([]any, 0, len(contents))
	for i, c := range contents {
		if i > 0 {
			c.follow(contents[i-1])
		}
		if c.role == "model" && isNewer(e.r.Model) {
			c.sign()
		}
		o := &object{}
		o.set("role", c.role)
		list := make([]any, 0, len(c.parts))
		for _, p := range c.parts {
			list = append(list, p.written)
		}
		o.set("parts", list)
		written = append(written, o)
	}
	e.out.set("contents", written)
	return nil
}

// hints names the members of a request that have no place at Google, whatever the conversation is.
func (e *encoder) hints() {
	r := e.r
	oneCall, hint := r.OneCall()
	e.loseIf(oneCall, "parallel_tools", hint)
	e.loseIf(r.MinP != "", "min_p", false)
	e.loseIf(r.Verbosity != "", "verbosity", r.Verbosity == "medium")
	e.loseIf(r.ServiceTier != "" && r.ServiceTier != "auto" && r.ServiceTier != "default", "service_tier", true)
	e.loseIf(r.User != "", "user", true)
	e.loseIf(len(r.Metadata) > 0, "metadata", true)
	e.loseIf(r.PromptCacheKey != "", "prompt_cache_key", true)
}

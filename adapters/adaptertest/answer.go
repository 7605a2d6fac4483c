package adaptertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/events"
)

// Answer is what a reader of an answer gets out of it, however it came.
type Answer struct {
	Text, Thoughts string
	Calls          []string // name and arguments, in order
	Signatures     []string // of thoughts, and of what stands beside them
	Finish         events.FinishReason
}

// ReadAnswer reads a whole answer with its dialect.
func ReadAnswer(c adapters.Codec, body []byte) (Answer, error) {
	facts := &adapters.ProviderResponse{}
	if err := c.ReadAnswer(adapters.OperationChat, body, facts); err != nil {
		return Answer{}, fmt.Errorf("read the facts: %w", err)
	}
	r, err := c.DecodeAnswer(body)
	if err != nil {
		return Answer{}, fmt.Errorf("decode: %w", err)
	}
	a := Answer{Finish: facts.FinishReason}
	if len(r.Choices) > 0 {
		a.add(r.Choices[0].Parts)
	}
	return a, nil
}

// ReadStreamed reads a streamed answer with its dialect, which must be whole.
func ReadStreamed(c adapters.Codec, req *adapters.RequestContext, kind string, stream []byte) (Answer, error) {
	parts, facts, err := collect(c, req, kind, stream)
	a := Answer{Finish: facts.FinishReason}
	a.add(parts)
	return a, err
}

// collect puts the parts of a stream's first choice together.
func collect(c adapters.Codec, req *adapters.RequestContext, kind string, stream []byte) ([]canonical.Part, *adapters.ProviderResponse, error) {
	facts := &adapters.ProviderResponse{}
	scanner := c.NewScanner(kind, bytes.NewReader(stream), nil, len(stream)+1)
	if scanner == nil {
		return nil, facts, fmt.Errorf("%q is no type of a stream", kind)
	}
	reader, decoder := c.NewStreamReader(req, facts), c.NewStreamDecoder()
	var g gatherer
	read := func(name string, data []byte) error {
		if _, err := reader.Event(name, data); err != nil {
			return err
		}
		return decoder.Event(name, data, g.event)
	}
	for {
		e, ok := scanner.Ready()
		if !ok {
			err := scanner.Fill()
			if err == nil {
				continue
			}
			if !errors.Is(err, io.EOF) {
				return g.parts, facts, err
			}
			break
		}
		if err := read(e.Name, e.Data); err != nil {
			return g.parts, facts, err
		}
	}
	if e, ok := scanner.Rest(); ok && len(e.Data) > 0 {
		if err := read(e.Name, e.Data); err != nil {
			return g.parts, facts, err
		}
	}
	decoder.End(g.event)
	return g.parts, facts, errors.Join(reader.End(), g.wrong)
}

// gatherer puts parts together of canonical events, and holds against them what a stream must be.
type gatherer struct {
	parts []canonical.Part
	open  bool
	wrong error
}

func (g *gatherer) event(e *canonical.Event) {
	if e.Choice != 0 {
		return
	}
	switch e.Kind {
	case canonical.PartBegin:
		if g.open || e.Index != len(g.parts) {
			g.wrong = fmt.Errorf("part %d begins when %d were begun, one open: %v", e.Index, len(g.parts), g.open)
		}
		g.open = true
		p := *e.Part
		if p.Thought != nil {
			thought := *p.Thought
			p.Thought = &thought
		}
		if p.Call != nil {
			call := *p.Call
			p.Call = &call
		}
		g.parts = append(g.parts, p)
	case canonical.PartDelta:
		if !g.open {
			g.wrong = errors.New("a delta of no part")
			return
		}
		g.grow(&g.parts[len(g.parts)-1], e)
	case canonical.PartEnd:
		g.open = false
	}
}

func (g *gatherer) grow(p *canonical.Part, e *canonical.Event) {
	switch {
	case p.Call != nil:
		p.Call.Arguments += e.Text
	case p.Thought != nil:
		p.Thought.Text += e.Text
	default:
		p.Text += e.Text
	}
	if e.Part == nil {
		return
	}
	p.Signature += e.Part.Signature
	if t := e.Part.Thought; t != nil && p.Thought != nil {
		p.Thought.Signature += t.Signature
		p.Thought.Encrypted += t.Encrypted
	}
}

func (a *Answer) add(parts []canonical.Part) {
	for _, p := range parts {
		if p.Signature != "" {
			a.Signatures = append(a.Signatures, bare(p.Signature))
		}
		switch p.Kind {
		case canonical.Text, canonical.Refusal:
			a.Text += p.Text
		case canonical.Thinking:
			a.Thoughts += p.Thought.Text
			for _, s := range []string{p.Thought.Signature, p.Thought.Encrypted} {
				if s != "" {
					a.Signatures = append(a.Signatures, bare(s))
				}
			}
		case canonical.ToolCall:
			a.Calls = append(a.Calls, p.Call.Name+compact(p.Call.JSONArguments()))
		}
	}
}

// bare is a signature as its provider wrote it. Through clients that have no place for it, it travels behind a mark.
func bare(signature string) string {
	if marked, ok := strings.CutPrefix(signature, "tollhouse."); ok {
		return marked[strings.LastIndexByte(marked, '.')+1:]
	}
	return signature
}

// compact takes the spaces out of arguments, which a model sets as it likes.
func compact(raw []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// Words are the message of an error envelope of any dialect; empty where there is none.
func Words(envelope []byte) string {
	var v struct {
		Error   struct{ Message string }
		Message string
	}
	if json.Unmarshal(envelope, &v) != nil {
		return ""
	}
	return v.Error.Message + v.Message
}

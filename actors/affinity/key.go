// Package affinity is about what should stay together: by which key a request belongs to others, which member a key prefers, and which
// endpoints have the beginning of a prompt in their caches. It keeps hashes, and nothing of what they are made of.
package affinity

import (
	"errors"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// SessionHeader names what belongs together in the client's own words.
const SessionHeader = "X-Tollhouse-Session"

// Key is the same for requests that should stay together, whatever model they ask for, and in every gateway; 0 where a request belongs to
// no others. It is made of the session that the client names, else of its cache key, else of what stays the same over a conversation:
// instructions, tools, and the turns up to and with the first of the user.
func Key(req *adapters.RequestContext) uint64 {
	if session := req.Header[SessionHeader]; len(session) > 0 && session[0] != "" {
		return nonzero(xxhash.Sum64String("session\x00" + session[0]))
	}
	shape := adapters.PromptOf(req)
	if shape == nil {
		return 0
	}
	m := find(req.Body, shape)
	return m.key()
}

// nonzero keeps 0 for what has no key.
func nonzero(h uint64) uint64 { return max(h, 1) }

// material is where in a body that stands of which a key is made.
type material struct {
	body     []byte
	cacheKey adapters.Span
	before   [maxBefore]adapters.Span
	turns    adapters.Span // up to and with the first of the user
}

// maxBefore is how many members a dialect may name.
const maxBefore = 4

// errFound ends a scan that has what it looked for.
var errFound = errors.New("found")

// find looks for a prompt's material. What is no JSON has none.
func find(body []byte, shape *adapters.Prompt) material {
	m := material{body: body}
	_, _, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		span := adapters.Span{Start: start, End: end}
		switch name := string(key); {
		case name == shape.Turns:
			m.turns = span
		case name == shape.CacheKey:
			if body[start] == '"' && end-start > 2 {
				m.cacheKey = span
			}
		default:
			if i := slices.Index(shape.Before, name); i >= 0 && i < maxBefore {
				m.before[i] = span
			}
		}
		return nil
	})
	if err != nil {
		return material{}
	}
	m.turns = firstTurns(body, m.turns, shape.Roleless)
	return m
}

// firstTurns cuts the turns behind the first of the user. Where they are a text, that is the user's.
func firstTurns(body []byte, turns adapters.Span, roleless bool) adapters.Span {
	if turns.Empty() || body[turns.Start] != '[' {
		return turns
	}
	first := adapters.Span{}
	_ = jsonscan.Elements(body, turns.Start, func(start, end int) error {
		if first.Start == 0 {
			first.Start = start
		}
		first.End = end
		if users(body, start, roleless) {
			return errFound
		}
		return nil
	})
	return first
}

// users says whether a turn is the user's.
func users(body []byte, start int, roleless bool) bool {
	is := roleless
	err := jsonscan.Members(body, start, func(key []byte, start, end int) error {
		if string(key) == "role" {
			is = string(body[start:end]) == `"user"`
		}
		return nil
	})
	return err == nil && is
}

// key is the hash of what there is.
func (m *material) key() uint64 {
	var d xxhash.Digest
	d.Reset()
	if !m.cacheKey.Empty() {
		_, _ = d.WriteString("cache_key\x00")
		_, _ = d.Write(m.body[m.cacheKey.Start:m.cacheKey.End])
		return nonzero(d.Sum64())
	}
	if m.turns.Empty() && m.before == [maxBefore]adapters.Span{} {
		return 0
	}
	for _, span := range m.before {
		write(&d, m.body[span.Start:span.End])
		_, _ = d.Write(ofMember[:])
	}
	write(&d, m.body[m.turns.Start:m.turns.End])
	return nonzero(d.Sum64())
}

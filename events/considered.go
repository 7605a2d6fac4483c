package events

import "unicode/utf8"

// Bounds of what one request tells of its candidates. The chosen ones come first: while they are within the bounds, they are told.
const (
	MaxConsidered      = 32
	MaxConsideredBytes = 8 << 10 // of their JSON: a closing must fit the room that is reserved for it
	MaxConsideredName  = 256     // bytes of a name; the rest is cut off
)

// AddConsidered adds a candidate to what is told of a request, within MaxConsidered. What was said of the same candidate for the same attempt is
// replaced: in each round of waiting it is looked at again. Where there is no place any more, one that is chosen takes the last place of
// one that is not, or else the last place.
func AddConsidered(all []Considered, c Considered) []Considered {
	for i := range all {
		o := &all[i]
		if o.Attempt == c.Attempt && o.Endpoint == c.Endpoint && o.Registry == c.Registry && o.Model == c.Model {
			*o = c
			return all
		}
	}
	if len(all) < MaxConsidered {
		return append(all, c)
	}
	if c.Reason != Chosen {
		return all
	}
	place := len(all) - 1
	for i := place; i >= 0; i-- {
		if all[i].Reason != Chosen {
			place = i
			break
		}
	}
	copy(all[place:], all[place+1:])
	all[len(all)-1] = c
	return all
}

// considered writes what is within the bounds: everything, as a rule; else the chosen ones, and of the others those that still fit.
func (j *jsonObject) considered(all []Considered) {
	if len(all) == 0 {
		return
	}
	begin := len(j.buf)
	j.name("considered")
	j.buf = append(j.buf, '[')
	first := len(j.buf)
	for i := range all {
		if j.candidate(&all[i], first); len(j.buf)-first >= MaxConsideredBytes {
			break
		}
	}
	if len(all) > MaxConsidered || len(j.buf)-first >= MaxConsideredBytes {
		j.buf = j.buf[:first]
		j.withinBounds(all)
	}
	if len(j.buf) == first { // none fits: an empty list is none
		j.buf = j.buf[:begin]
		return
	}
	j.buf = append(j.buf, ']')
}

// withinBounds writes first the chosen ones, to see what room they leave, and then those that are told, in their order.
func (j *jsonObject) withinBounds(all []Considered) {
	first := len(j.buf)
	chosen := room{MaxConsidered, MaxConsideredBytes - 1}
	others := chosen
	for i := range all {
		if all[i].Reason == Chosen {
			others.take(j.candidate(&all[i], first))
			j.buf = j.buf[:first]
		}
	}
	for i := range all {
		r, at := &others, len(j.buf)
		if all[i].Reason == Chosen {
			r = &chosen
		}
		if !r.take(j.candidate(&all[i], first)) {
			j.buf = j.buf[:at]
		}
	}
}

// room is how many candidates there is place for, and of how many bytes.
type room struct{ places, bytes int }

func (r *room) take(bytes int) bool {
	if r.places == 0 || r.bytes < bytes {
		return false
	}
	r.places--
	r.bytes -= bytes
	return true
}

// candidate writes one, behind a comma where the list, which begins at first, has one already. It returns its bytes, with a comma.
func (j *jsonObject) candidate(c *Considered, first int) (bytes int) {
	if len(j.buf) > first {
		j.buf = append(j.buf, ',')
	}
	at := len(j.buf)
	j.buf = append(j.buf, '{')
	j.uint("attempt", uint64(c.Attempt))
	j.str("registry", cutName(c.Registry))
	j.optStr("endpoint", cutName(c.Endpoint))
	j.optStr("model", cutName(c.Model))
	j.str("reason", cutName(string(c.Reason)))
	j.optUint("score", c.Score)
	j.buf = append(j.buf, '}')
	return len(j.buf) - at + 1
}

// cutName cuts a name between two characters.
func cutName(s string) string {
	if len(s) <= MaxConsideredName {
		return s
	}
	end := MaxConsideredName
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

package sim

import "time"

// circuit is what a breaker must have become, told from a log of results by the rules as ARCHITECTURE.md and explain's words have them. It
// is written anew, and asks nothing of actors/health: else a wrong rule would be right by itself.
type circuit struct {
	log      []result // since it last closed
	stretch  int      // the present one, of five seconds each while there are results
	began    time.Time
	until    time.Time // open before
	openings int       // since it last closed; 0: it is closed
	probe    string    // the attempt that decides
}

type result struct {
	stretch int
	good    bool
}

// The rules.
const (
	badInARow    = 5
	badHalfOf    = 20
	stretchTime  = 5 * time.Second // two make the window
	shortestOpen = time.Second
	longestOpen  = 30 * time.Second
)

func (c *circuit) open() bool { return c.openings > 0 }

// lets says whether an attempt may begin.
func (c *circuit) lets(now time.Time) bool { return !c.open() || !now.Before(c.until) && c.probe == "" }

// begins is told of one that does.
func (c *circuit) begins(id string) {
	if c.open() {
		c.probe = id
	}
}

// opens is told that an attempt's stream has begun, which decides where it is the probe.
func (c *circuit) opens(id string) {
	if c.open() && c.probe == id {
		*c = circuit{}
	}
}

// ends is told what came of an attempt; known is false where nobody can say.
func (c *circuit) ends(now time.Time, id string, good, known bool) {
	switch {
	case c.open() && c.probe != id: // it began before
	case c.open():
		c.probe = ""
		if known && good {
			*c = circuit{}
		} else if known {
			c.trip(now)
		}
	case known:
		c.note(now, good)
		if !good && (c.lastAreBad() || c.halfAreBad()) {
			c.trip(now)
		}
	}
}

func (c *circuit) note(now time.Time, good bool) {
	switch age := now.Sub(c.began); {
	case c.began.IsZero() || age >= 2*stretchTime:
		c.stretch, c.began = c.stretch+2, now
	case age >= stretchTime:
		c.stretch, c.began = c.stretch+1, c.began.Add(stretchTime)
	}
	c.log = append(c.log, result{c.stretch, good})
}

func (c *circuit) lastAreBad() bool {
	if len(c.log) < badInARow {
		return false
	}
	for _, r := range c.log[len(c.log)-badInARow:] {
		if r.good {
			return false
		}
	}
	return true
}

func (c *circuit) halfAreBad() bool {
	bad, all := 0, 0
	for _, r := range c.log {
		if r.stretch < c.stretch-1 {
			continue
		}
		all++
		if !r.good {
			bad++
		}
	}
	return all >= badHalfOf && 2*bad >= all
}

func (c *circuit) trip(now time.Time) {
	long := shortestOpen
	for range c.openings {
		long = min(2*long, longestOpen)
	}
	c.until, c.openings = now.Add(long), c.openings+1
}

package sim

import "time"

// Sky is what one endpoint does for a while; its zero is fair weather.
type Sky struct {
	Slow       float64       // it takes so many times as long; 0: once
	Refuses    bool          // connections are refused, and those that were open are reset
	Drops      bool          // connections are never accepted, and those that were open are silent
	Hangs      bool          // requests are taken and never answered
	Revoked    bool          // the credential is refused
	Limit      float64       // requests a second that it lets through; 0: no limit
	RetryAfter time.Duration // said with a 429, at least; 0: until there is room for one
	Untold     bool          // a 429 says nothing of how long
	Fails      float64       // share answered with 500
	Overloads  float64       // share answered with 200, and an overload in it
	Breaks     float64       // share of streams that break off midway
	Panics     float64       // share that bring down the code that calls it
}

// Spell is a sky for some time of a run.
type Spell struct {
	From, To time.Duration
	Sky
}

// Flapping alternates between a sky and fair weather, each for as long.
func Flapping(from, to, each time.Duration, sky Sky) (spells []Spell) {
	for ; from < to; from += 2 * each {
		spells = append(spells, Spell{from, min(from+each, to), sky})
	}
	return spells
}

// at is the sky at a time of the run.
func at(spells []Spell, t time.Duration) Sky {
	for _, s := range spells {
		if s.From <= t && t < s.To {
			return s.Sky
		}
	}
	return Sky{}
}

// turn is the first spell that begins within (t, t+d] and hits what is under way.
func turn(spells []Spell, t, d time.Duration) (next Spell, found bool) {
	for _, s := range spells {
		if t < s.From && s.From-t <= d && (s.Refuses || s.Drops || s.Hangs) && (!found || s.From < next.From) {
			next, found = s, true
		}
	}
	return next, found
}

func (s Sky) slow() float64 {
	if s.Slow == 0 {
		return 1
	}
	return s.Slow
}

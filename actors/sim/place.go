package sim

import (
	"math"
	"sync"
	"time"
)

// Place is a simulated endpoint: what it is like, and its weather.
type Place struct {
	Name     string
	Weight   int
	Permits  int           // that the gateway gives out; 0: no limit
	First    time.Duration // median time to the first token, in fair weather and not busy
	Speed    float64       // tokens a second
	Capacity int           // requests answered at once; those behind them queue
	In, Out  uint64        // price of a token, in 10⁻⁹ dollars; a cached one costs a tenth
	Spells   []Spell
}

// How a prompt's cache works: within keeps of its last use, it makes up most of a session's prompt.
const (
	keeps       = 5 * time.Minute
	cachedShare = 0.9 // of the prompt
	cachedFirst = 0.4 // of the time to the first token
)

// site is a place while it is simulated. What it decides depends on the order in which it is asked, and on nothing else that is shared.
type site struct {
	*Place
	began time.Time

	mu     sync.Mutex
	slots  []time.Time // when each of the capacity is free
	room   float64     // of the rate limit
	filled time.Time
	cached map[int]time.Time // session → last use
	calls  int
	spend  uint64
}

func newSite(p *Place, began time.Time) *site {
	return &site{Place: p, began: began, slots: make([]time.Time, max(p.Capacity, 1)), cached: map[int]time.Time{}}
}

// called counts an attempt that is aimed at it.
func (s *site) called() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
}

func (s *site) sky(now time.Time) Sky { return at(s.Spells, now.Sub(s.began)) }

// limitBurst is how many seconds of a rate limit may be used at once.
const limitBurst = 2

// admit asks the rate limit; left is what remains of it. A refusal says for how long.
func (s *site) admit(now time.Time, sky Sky) (ok bool, left, of int64, retryAfter time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := max(sky.Limit*limitBurst, 1)
	if s.filled.IsZero() {
		s.room = most
	} else {
		s.room = min(most, s.room+now.Sub(s.filled).Seconds()*sky.Limit)
	}
	s.filled = now
	if s.room < 1 {
		until := time.Duration(math.Ceil((1-s.room)/sky.Limit)) * time.Second
		return false, 0, int64(most), max(until, sky.RetryAfter)
	}
	s.room--
	return true, int64(s.room), int64(most), 0
}

// turnIn is one request's turn at a place.
type turnIn struct {
	slot        int
	begin, end  time.Time
	first, rest time.Duration
	cached      bool
}

// take gives a request its turn: behind those that came before, where all of the capacity is taken.
func (s *site) take(now time.Time, session int, slow, luck float64, output int) turnIn {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := turnIn{}
	for i, free := range s.slots {
		if free.Before(s.slots[t.slot]) {
			t.slot = i
		}
	}
	if t.begin = s.slots[t.slot]; t.begin.Before(now) {
		t.begin = now
	}
	last, seen := s.cached[session]
	t.cached = seen && now.Sub(last) < keeps
	first := float64(s.First) * slow * luck
	if t.cached {
		first *= cachedFirst
	}
	t.first = time.Duration(first)
	t.rest = time.Duration(float64(output) / s.Speed * slow * float64(time.Second))
	t.end = t.begin.Add(t.first + t.rest)
	s.slots[t.slot] = t.end
	return t
}

// answered is told that the first token is out: now the prompt is cached.
func (s *site) answered(now time.Time, session int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cached[session] = now
}

// leave ends a turn, early or not, and charges for it.
func (s *site) leave(now time.Time, t turnIn, cost uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spend += cost
	if s.slots[t.slot].Equal(t.end) && now.Before(t.end) {
		if s.slots[t.slot] = now; now.Before(t.begin) {
			s.slots[t.slot] = t.begin
		}
	}
}

// Package queue is who waits for a permit, in a fair order: consumers take turns, and the requests of one are served as they came.
package queue

import "slices"

// Queue is a bounded line of T. It belongs to one actor.
type Queue[T comparable] struct {
	most  int
	n     int
	lines []*line[T] // that have somebody, the next to be served first
}

// line is the requests of one consumer.
type line[T comparable] struct {
	consumer string
	waiting  []T
}

// New makes a queue in which at most that many wait.
func New[T comparable](most int) *Queue[T] { return &Queue[T]{most: most} }

// Len is how many wait.
func (q *Queue[T]) Len() int { return q.n }

// Push puts v behind its consumer's others; false: the queue is full.
func (q *Queue[T]) Push(consumer string, v T) bool {
	if q.n >= q.most {
		return false
	}
	l := q.line(consumer)
	if l == nil {
		l = &line[T]{consumer: consumer}
		q.lines = append(q.lines, l)
	}
	l.waiting = append(l.waiting, v)
	q.n++
	return true
}

// PushFront puts v back before all others, whose turn it was; it is never refused.
func (q *Queue[T]) PushFront(consumer string, v T) {
	l := q.line(consumer)
	if l == nil {
		l = &line[T]{consumer: consumer}
	} else {
		q.lines = slices.DeleteFunc(q.lines, func(o *line[T]) bool { return o == l })
	}
	q.lines = slices.Insert(q.lines, 0, l)
	l.waiting = slices.Insert(l.waiting, 0, v)
	q.n++
}

// Remove takes v out; false: it is not there.
func (q *Queue[T]) Remove(consumer string, v T) bool {
	l := q.line(consumer)
	if l == nil {
		return false
	}
	i := slices.Index(l.waiting, v)
	if i < 0 {
		return false
	}
	q.take(l, i)
	return true
}

// Serve offers those who wait, in their order and no more than so many, until one is taken, and takes that one out: its consumer's turn
// is over. It reports whether one was.
func (q *Queue[T]) Serve(most int, taken func(T) bool) bool {
	for _, l := range q.lines {
		for i, v := range l.waiting {
			if most--; most < 0 {
				return false
			}
			if !taken(v) {
				continue
			}
			q.lines = slices.DeleteFunc(q.lines, func(o *line[T]) bool { return o == l })
			q.lines = append(q.lines, l)
			q.take(l, i)
			return true
		}
	}
	return false
}

func (q *Queue[T]) line(consumer string) *line[T] {
	for _, l := range q.lines {
		if l.consumer == consumer {
			return l
		}
	}
	return nil
}

func (q *Queue[T]) take(l *line[T], i int) {
	l.waiting = slices.Delete(l.waiting, i, i+1)
	q.n--
	if len(l.waiting) == 0 {
		q.lines = slices.DeleteFunc(q.lines, func(o *line[T]) bool { return o == l })
	}
}

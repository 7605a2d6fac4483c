package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/events/eventstest"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// TestCommitsPrefix: what is acknowledged behind something that is not, is handed out again.
func TestCommitsPrefix(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		p := newPublisher(t, addr)
		topic, group := newTopic(t, p, 1), fresh("group")
		publish(t, p, topic, 0, 0, 6)
		o := quick(addr, group)
		o.MaxUnacked = 5
		first := newSubscriber(t, o)
		messages := subscribe(t, first, topic)
		for i := range 5 {
			m := receive(t, messages)
			if position(t, m).Offset != int64(i) {
				t.Fatalf("offset %d comes as number %d", position(t, m).Offset, i)
			}
			if i != 3 {
				defer m.Ack() // at last, when nothing can come of it any more
			}
			if i < 2 || i == 4 {
				m.Ack()
			}
		}
		// Two of five are done: there is room for one more of six.
		if m := receive(t, messages); m.UUID != "5" {
			t.Fatalf("got %s", m.UUID)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		messages = subscribe(t, newSubscriber(t, o), topic)
		for i := 2; i < 6; i++ {
			if m := receive(t, messages); m.UUID != strconv.Itoa(i) {
				t.Fatalf("got %s, want %d", m.UUID, i)
			}
		}
	})
}

// TestWindow: no more messages than MaxUnacked, and no more bytes than MaxUnackedBytes, are out at once.
func TestWindow(t *testing.T) {
	addr := eventstest.Broker(t)
	p := newPublisher(t, addr)
	topic := newTopic(t, p, 1)
	publish(t, p, topic, 0, 0, 10)
	for _, c := range []struct{ messages, bytes, want int }{{3, 1 << 20, 3}, {100, 1, 1}, {100, 1 << 20, 10}} {
		t.Run(fmt.Sprintf("%d messages, %d bytes", c.messages, c.bytes), func(t *testing.T) {
			o := quick(addr, "")
			o.MaxUnacked, o.MaxUnackedBytes = c.messages, c.bytes
			messages := subscribe(t, newSubscriber(t, o), topic)
			for range c.want {
				receive(t, messages)
			}
			nothing(t, messages)
		})
	}
}

// TestNack: what is refused comes again, before what was not yet handed out.
func TestNack(t *testing.T) {
	addr := eventstest.Broker(t)
	p := newPublisher(t, addr)
	topic := newTopic(t, p, 1)
	publish(t, p, topic, 0, 0, 3)
	messages := subscribe(t, newSubscriber(t, quick(addr, fresh("group"))), topic)
	var got []string
	for len(got) < 6 {
		m := receive(t, messages)
		got = append(got, m.UUID)
		if len(got) == 2 || len(got) == 3 {
			m.Nack()
			<-m.Context().Done()
			continue
		}
		m.Ack()
		if len(got) == 5 {
			break
		}
	}
	if fmt.Sprint(got) != "[0 1 1 1 2]" {
		t.Fatalf("got %v", got)
	}
}

// assignments records what OnAssign and OnRevoke are told.
type assignments struct {
	mu    sync.Mutex
	said  []string
	start func(committed, first, next int64) (int64, error)
}

func (a *assignments) assign(_ context.Context, _ string, partition int, committed, first, next int64) (int64, error) {
	a.say("%d: committed %d, log %d to %d", partition, committed, first, next)
	return a.start(committed, first, next)
}

func (a *assignments) revoke(_ string, partition int) { a.say("%d: revoked", partition) }

func (a *assignments) say(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said = append(a.said, fmt.Sprintf(format, args...))
}

func (a *assignments) want(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if fmt.Sprint(a.said) != fmt.Sprint(want) {
			return fmt.Errorf("assignments %q, want %q", a.said, want)
		}
		return nil
	})
}

// TestOnAssign: the hook decides where to start, whatever is committed, and is asked until it knows.
func TestOnAssign(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		p := newPublisher(t, addr)
		topic, group := newTopic(t, p, 1), fresh("group")
		publish(t, p, topic, 0, 0, 10)
		failures := 1
		hook := &assignments{start: func(_, _, _ int64) (int64, error) {
			if failures--; failures >= 0 {
				return 0, errors.New("the warehouse is away")
			}
			return 7, nil
		}}
		o := quick(addr, group)
		o.OnAssign, o.OnRevoke = hook.assign, hook.revoke
		s := newSubscriber(t, o)
		messages := subscribe(t, s, topic)
		for i := 7; i < 10; i++ {
			m := receive(t, messages)
			if at := position(t, m); at.Offset != int64(i) || at.HighWatermark != 10 || at.Generation == 0 {
				t.Fatalf("position %+v", at)
			}
			m.Ack()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		hook.want(t, "0: committed -1, log 0 to 10", "0: committed -1, log 0 to 10", "0: revoked")

		again := &assignments{start: func(_, _, _ int64) (int64, error) { return 9, nil }}
		o.OnAssign, o.OnRevoke = again.assign, again.revoke
		if m := receive(t, subscribe(t, newSubscriber(t, o), topic)); m.UUID != "9" {
			t.Fatalf("got %s", m.UUID)
		}
		again.want(t, "0: committed 10, log 0 to 10")
	})
}

// TestRetentionPasses: the log loses what is to be read; nothing is skipped without a question.
func TestRetentionPasses(t *testing.T) {
	b := eventstest.NewBroker(t)
	p := newPublisher(t, b.Addr())
	topic := newTopic(t, p, 1)
	publish(t, p, topic, 0, 0, 10)
	if err := b.DeleteRecords(topic, 0, 4); err != nil {
		t.Fatal(err)
	}
	asked := 0
	hook := &assignments{start: func(_, first, _ int64) (int64, error) {
		if asked++; asked == 1 {
			return 2, nil // of a sink that was away for too long
		}
		return first, nil
	}}
	o := quick(b.Addr(), fresh("group"))
	o.OnAssign = hook.assign
	if m := receive(t, subscribe(t, newSubscriber(t, o), topic)); m.UUID != "4" {
		t.Fatalf("got %s", m.UUID)
	}
	hook.want(t, "0: committed -1, log 4 to 10", "0: committed -1, log 4 to 10")
}

// TestRecreatedTopic: a topic that begins again is read from its start, by a new answer of the hook.
func TestRecreatedTopic(t *testing.T) {
	b := eventstest.NewBroker(t)
	p := newPublisher(t, b.Addr())
	topic := newTopic(t, p, 1)
	publish(t, p, topic, 0, 0, 5)
	hook := &assignments{start: func(_, first, _ int64) (int64, error) { return first, nil }}
	o := quick(b.Addr(), fresh("group"))
	o.MaxUnacked, o.OnAssign = 10, hook.assign
	messages := subscribe(t, newSubscriber(t, o), topic)
	for range 5 {
		receive(t, messages).Ack()
	}
	if err := b.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateTopic(topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	publish(t, p, topic, 0, 100, 103)
	for i := 100; i < 103; i++ {
		m := receive(t, messages)
		if m.UUID != strconv.Itoa(i) || position(t, m).Offset != int64(i-100) {
			t.Fatalf("got %s at %d", m.UUID, position(t, m).Offset)
		}
		m.Ack()
	}
}

// TestRebalance: a second member takes half of the partitions, and gives them back; a message of a partition that is
// lost has its context ended, and its late acknowledgement commits nothing.
func TestRebalance(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		p := newPublisher(t, addr)
		topic, group := newTopic(t, p, 4), fresh("group")
		first := subscribe(t, newSubscriber(t, quick(addr, group)), topic)
		publish(t, p, topic, 3, 0, 1)
		held := receive(t, first)
		generation := position(t, held).Generation

		second := newSubscriber(t, quick(addr, group))
		theirs := subscribe(t, second, topic)
		select {
		case <-held.Context().Done():
		case <-time.After(patience):
			t.Fatal("the generation ends, and the message's context does not")
		}
		held.Ack()
		// The held message comes again from whoever has its partition now, and soon each member has two partitions.
		seen := map[string]string{}
		for round, balanced := 1, false; !balanced; round++ {
			if round == 50 {
				t.Fatalf("who got what: %v", seen)
			}
			count := map[string]int{}
			for partition := range 4 {
				publish(t, p, topic, partition, 10*round+partition, 10*round+partition+1)
			}
			for partition := 0; partition < 4; {
				select {
				case m := <-first:
					seen[m.UUID] = "first"
					m.Ack()
				case m := <-theirs:
					seen[m.UUID] = "second"
					if position(t, m).Generation <= generation {
						t.Errorf("generation %d follows %d", position(t, m).Generation, generation)
					}
					m.Ack()
				case <-time.After(patience):
					t.Fatalf("only these come: %v", seen)
				}
				for partition < 4 && seen[strconv.Itoa(10*round+partition)] != "" {
					count[seen[strconv.Itoa(10*round+partition)]]++
					partition++
				}
			}
			balanced = count["first"] == 2 && count["second"] == 2
		}
		if seen["0"] == "" {
			t.Error("an acknowledgement after the generation's end is committed")
		}

		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
		publish(t, p, topic, 0, 1000, 1001)
		publish(t, p, topic, 3, 1003, 1004)
		for last := map[string]bool{"1000": true, "1003": true}; len(last) > 0; {
			delete(last, receiveAck(t, first).UUID)
		}
	})
}

// TestLeavesNobodyWaiting closes members while the group rebalances; kafka-go alone would leave members behind that hold
// up all others for half a minute.
func TestLeavesNobodyWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		p := newPublisher(t, addr)
		topic, group := newTopic(t, p, 4), fresh("group")
		began := time.Now()
		var members sync.WaitGroup
		for i := range 10 {
			s := newSubscriber(t, quick(addr, group))
			subscribe(t, s, topic)
			members.Go(func() {
				time.Sleep(time.Duration(i) * 7 * time.Millisecond) // not to wait for anything: to close at different moments
				_ = s.Close()
			})
		}
		members.Wait()
		publish(t, p, topic, 0, 0, 1)
		receive(t, subscribe(t, newSubscriber(t, quick(addr, group)), topic)).Ack()
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestSubscriberSurvivesRestart: the broker goes and comes back; nothing is lost.
func TestSubscriberSurvivesRestart(t *testing.T) {
	for _, group := range []string{"", "group"} {
		t.Run("group "+group, func(t *testing.T) {
			b := eventstest.NewBroker(t)
			p := newPublisher(t, b.Addr())
			topic := newTopic(t, p, 2)
			publish(t, p, topic, 0, 0, 3)
			messages := subscribe(t, newSubscriber(t, quick(b.Addr(), group)), topic)
			for range 3 {
				receive(t, messages).Ack()
			}
			b.Stop()
			b.Start()
			eventually(t, func() error { return p.Publish(topic, pinned(1, 1)...) })
			for {
				m := receive(t, messages)
				m.Ack()
				if position(t, m).Offset == 3 {
					break // before it, some may be repeated
				}
			}
		})
	}
}

// TestTopicAppears: a subscription may be there before its topic.
func TestTopicAppears(t *testing.T) {
	for _, group := range []string{"", "group"} {
		t.Run("group "+group, func(t *testing.T) {
			addr := eventstest.Broker(t)
			s := newSubscriber(t, quick(addr, group))
			topic := fresh("later")
			wantIs(t, s.SubscribeInitialize(topic), kafka.ErrNoTopic)
			messages := subscribe(t, s, topic)
			nothing(t, messages)
			p := newPublisher(t, addr)
			if _, err := p.EnsureTopic(t.Context(), kafka.TopicSpec{Name: topic, Replication: 1}); err != nil {
				t.Fatal(err)
			}
			publish(t, p, topic, 0, 0, 1)
			receive(t, messages).Ack()
		})
	}
}

// TestPartitionsGrow: new partitions are read from their start.
func TestPartitionsGrow(t *testing.T) {
	for _, group := range []string{"", "group"} {
		t.Run("group "+group, func(t *testing.T) {
			b := eventstest.NewBroker(t)
			p := newPublisher(t, b.Addr())
			topic := newTopic(t, p, 1)
			publish(t, p, topic, 0, 0, 1)
			messages := subscribe(t, newSubscriber(t, quick(b.Addr(), group)), topic)
			receive(t, messages).Ack()
			if err := b.AddPartitions(topic, 3); err != nil {
				t.Fatal(err)
			}
			m := pinned(3, 1)[2]
			eventually(t, func() error { return p.Publish(topic, m) })
			for position(t, receiveAck(t, messages)).Partition != 2 {
			}
		})
	}
}

// TestAtEnd: only what comes later is read.
func TestAtEnd(t *testing.T) {
	addr := eventstest.Broker(t)
	p := newPublisher(t, addr)
	topic := newTopic(t, p, 1)
	publish(t, p, topic, 0, 0, 3)
	o := quick(addr, "")
	o.AtEnd = true
	messages := subscribe(t, newSubscriber(t, o), topic)
	nothing(t, messages)
	publish(t, p, topic, 0, 3, 4)
	if m := receiveAck(t, messages); m.UUID != "3" {
		t.Fatalf("got %s", m.UUID)
	}
}

// TestCloseIsBounded: also where no broker is.
func TestCloseIsBounded(t *testing.T) {
	for _, group := range []string{"", "group"} {
		s := newSubscriber(t, quick(eventstest.Refused(t), group))
		messages := subscribe(t, s, "any")
		began := time.Now()
		if err := s.Close(); err != nil || time.Since(began) > 5*time.Second {
			t.Errorf("close: %v after %v", err, time.Since(began))
		}
		if _, open := <-messages; open {
			t.Error("a message comes from nowhere")
		}
		_, err := s.Subscribe(t.Context(), "any")
		wantIs(t, err, kafka.ErrClosed)
	}
}

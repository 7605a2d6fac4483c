package broker

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// membersInterval is how often groups are looked at for members that are gone.
const membersInterval = 5 * time.Second

// members watches over the groups. The cluster begins a member's session with the answer to its join: one whose connection is gone by
// then would stay in the group for ever, with partitions that nobody reads.
type members struct {
	mu     sync.Mutex
	groups map[string]*watchedGroup
}

type watchedGroup struct {
	session time.Duration        // the longest that a member asked for
	signs   map[string]time.Time // of life, by member
}

// watchMembers follows the requests in which members show that they live.
func (b *Broker) watchMembers() {
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat} {
		b.cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
			b.members.saw(request, time.Now())
			return nil, nil, false // the cluster goes on with the request
		})
	}
}

func (m *members) saw(request kmsg.Request, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch r := request.(type) {
	case *kmsg.JoinGroupRequest:
		g := m.groups[r.Group]
		if g == nil {
			g = &watchedGroup{signs: map[string]time.Time{}}
			if m.groups == nil {
				m.groups = map[string]*watchedGroup{}
			}
			m.groups[r.Group] = g
		}
		g.session = max(g.session, time.Duration(r.SessionTimeoutMillis)*time.Millisecond)
	case *kmsg.SyncGroupRequest:
		m.sign(r.Group, r.MemberID, now)
	case *kmsg.HeartbeatRequest:
		m.sign(r.Group, r.MemberID, now)
	}
}

func (m *members) sign(group, member string, now time.Time) {
	if g := m.groups[group]; g != nil {
		g.signs[member] = now
	}
}

// silent lists the members of a group that have shown no sign of life for a session; ids are those it has now.
func (m *members) silent(group string, ids []string, now time.Time) (gone []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.groups[group]
	signs := make(map[string]time.Time, len(ids))
	for _, id := range ids {
		since, ok := g.signs[id]
		if !ok {
			since = now // it has from here on
		}
		signs[id] = since
		if now.Sub(since) > g.session {
			gone = append(gone, id)
		}
	}
	g.signs = signs
	if len(ids) == 0 {
		delete(m.groups, group)
	}
	return gone
}

func (m *members) names() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.groups {
		names = append(names, name)
	}
	return names
}

// expelSilent makes members that are gone leave their groups.
func (b *Broker) expelSilent() {
	for _, group := range b.members.names() {
		info := b.cluster.GroupInfo(group)
		if info != nil && info.State != "Stable" && info.State != "Empty" {
			continue // a rebalance has limits of its own
		}
		var ids []string
		if info != nil {
			for i := range info.Members {
				ids = append(ids, info.Members[i].MemberID)
			}
		}
		for _, id := range b.members.silent(group, ids, time.Now()) {
			b.options.Logger.Warn("broker: a member has gone without a word; its partitions go to the others", "group", group, "member", id)
			if err := b.expel(group, id); err != nil {
				b.options.Logger.Warn("broker: a member that is gone could not be expelled", "group", group, "err", err)
			}
		}
	}
}

func (b *Broker) expel(group, member string) error {
	client, err := b.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group, request.MemberID = group, member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = member
	request.Members = append(request.Members, m)
	_, err = request.RequestWith(ctx, client)
	return err
}

package broker

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A member whose connection ends while it waits for its join is not left in the group with partitions that nobody reads.
func TestAMemberThatIsGoneBeforeItHasJoinedIsExpelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewMemoryNetwork()
		b, err := Start(Options{Network: network, Topics: []Topic{{Name: "events", Partitions: 2}}})
		if err != nil {
			t.Fatal(err)
		}
		connect := func(opts ...kgo.Opt) *kgo.Client {
			client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addr()), kgo.Dialer(network.DialContext))...)
			if err != nil {
				t.Fatal(err)
			}
			return client
		}
		var mu sync.Mutex
		assigned := map[int32]bool{}
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(assigned)
		}
		reader := connect(
			kgo.ConsumerGroup("group"), kgo.ConsumeTopics("events"), kgo.Balancers(kgo.RoundRobinBalancer()),
			kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(time.Second),
			kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
				mu.Lock()
				defer mu.Unlock()
				for _, p := range got["events"] {
					assigned[p] = true
				}
			}),
			kgo.OnPartitionsRevoked(func(context.Context, *kgo.Client, map[string][]int32) {
				mu.Lock()
				defer mu.Unlock()
				clear(assigned)
			}),
		)
		time.Sleep(5 * time.Second)
		for range 16 { // whether the cluster notices by itself is chance
			joinAndGo(connect(kgo.MaxVersions(kversion.V1_0_0())))
			time.Sleep(5 * time.Second)
			if n := count(); n != 1 {
				t.Errorf("the other member was not joined: %d partitions of 2 are assigned", n)
			}
			time.Sleep(30 * time.Second)
			if n, info := count(), b.cluster.GroupInfo("group"); n != 2 || len(info.Members) != 1 {
				t.Errorf("after three sessions, %d partitions of 2 are assigned to one of %d members", n, len(info.Members))
				break
			}
		}
		reader.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// joinAndGo asks to join the group and is gone before it can be answered.
func joinAndGo(client *kgo.Client) {
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = "group", "consumer", 10_000, 10_000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "roundrobin"
	subscribed := kmsg.NewConsumerMemberMetadata()
	subscribed.Topics = []string{"events"}
	protocol.Metadata = subscribed.AppendTo(nil)
	join.Protocols = append(join.Protocols, protocol)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, _ = join.RequestWith(ctx, client)
	client.Close()
}

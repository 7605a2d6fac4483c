// Package broker is the embedded Kafka broker: one node that speaks the real protocol on a real port and keeps its topics,
// offsets and groups in a folder. It is for the evaluation of Tollhouse, for single machines and for tests.
package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Broker is a running one. Close ends it.
type Broker struct {
	options Options
	cluster *kfake.Cluster
	lock    *flock.Flock
	addr    string
	members members

	closing chan struct{} // closed by Close
	closed  sync.Once
	retains sync.WaitGroup
}

// Run runs a broker until ctx ends, and then closes it in order. It returns nil after a clean end.
func Run(ctx context.Context, o Options) error {
	b, err := Start(o)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return b.Close()
}

// Start starts a broker; it answers requests when Start returns.
func Start(o Options) (*Broker, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	b := &Broker{options: o, closing: make(chan struct{})}
	if o.Dir != "" {
		if b.lock, err = lockDir(o.Dir); err != nil {
			return nil, err
		}
	}
	if err := b.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("broker: %w", err), b.Close())
	}
	o.Logger.Info("broker listens", "addr", b.addr, "dir", o.Dir, "retention", o.Retention, "retention_bytes", o.RetentionBytes)
	if o.Ready != nil {
		o.Ready(b.addr)
	}
	return b, nil
}

func (b *Broker) start() error {
	cluster, err := kfake.NewCluster(b.clusterOptions()...)
	if err != nil {
		return err
	}
	b.cluster = cluster
	b.addr = cluster.ListenAddrs()[0]
	b.limitNewTopics()
	b.watchMembers()
	if err := b.limitOldTopics(); err != nil {
		return err
	}
	for _, t := range b.options.Topics {
		err := cluster.CreateTopic(t.Name, int32(max(t.Partitions, 1)), b.limits())
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.Name, err)
		}
	}
	b.retains.Go(b.retain)
	return nil
}

// retain applies the topics' limits for as long as the broker runs, and expels members that are gone. The cluster has a timer of its
// own, which it does not start for topics that it finds on disk.
func (b *Broker) retain() {
	retention := time.NewTicker(retentionInterval)
	defer retention.Stop()
	silence := time.NewTicker(membersInterval)
	defer silence.Stop()
	for {
		select {
		case <-b.closing:
			return
		case <-retention.C:
			b.ApplyRetention()
		case <-silence.C:
			b.expelSilent()
		}
	}
}

func (b *Broker) clusterOptions() []kfake.Opt {
	o := &b.options
	_, port, _ := net.SplitHostPort(o.Listen) // withDefaults has checked it
	number, _ := strconv.Atoi(port)
	opts := []kfake.Opt{
		kfake.Ports(number), // one port, one node
		kfake.ClusterID("tollhouse"),
		kfake.DefaultNumPartitions(1),
		kfake.WithLogger(logger{o.Logger}),
		kfake.ListenFn(b.listen),
	}
	if o.Dir != "" {
		opts = append(opts, kfake.DataDir(filepath.Join(o.Dir, "data")))
		if !o.NoSync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	if len(o.Users) > 0 {
		opts = append(opts, kfake.EnableSASL())
	}
	for _, u := range o.Users {
		opts = append(opts, kfake.Superuser(u.Mechanism, u.Name, u.Password))
	}
	return opts
}

// Addr is the host:port it listens on.
func (b *Broker) Addr() string { return b.addr }

// Close stops listening, writes what a fast start wants to read, and gives the folder free. What is acknowledged is on
// disk without it.
func (b *Broker) Close() error {
	b.closed.Do(func() { close(b.closing) })
	b.retains.Wait()
	if b.cluster != nil {
		b.cluster.Close()
	}
	if b.lock == nil {
		return nil
	}
	if err := b.lock.Unlock(); err != nil {
		return fmt.Errorf("broker: unlock %s: %w", b.options.Dir, err)
	}
	return nil
}

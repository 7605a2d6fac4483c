package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// What a topic of events must at least be set to. An event measures 64 KiB at most, and a record a little more.
const (
	MinMessageBytes = 128 << 10
	MinRetention    = 7 * 24 * time.Hour
)

// TopicSpec is a topic to create. Zero values are the broker's own defaults, but for Partitions: one.
type TopicSpec struct {
	Name              string
	Partitions        int
	Replication       int
	Retention         time.Duration // negative: for ever
	RetentionBytes    int64         // of a partition; negative: no limit
	MaxMessageBytes   int
	MinInsyncReplicas int
}

func (s *TopicSpec) config() kafka.TopicConfig {
	t := kafka.TopicConfig{Topic: s.Name, NumPartitions: max(s.Partitions, 1), ReplicationFactor: s.Replication}
	if s.Replication == 0 {
		t.ReplicationFactor = -1
	}
	set := func(name string, value int64) {
		t.ConfigEntries = append(t.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: strconv.FormatInt(value, 10)})
	}
	switch {
	case s.Retention < 0:
		set("retention.ms", -1)
	case s.Retention > 0:
		set("retention.ms", s.Retention.Milliseconds())
	}
	if s.RetentionBytes != 0 {
		set("retention.bytes", max(s.RetentionBytes, -1))
	}
	if s.MaxMessageBytes != 0 {
		set("max.message.bytes", int64(s.MaxMessageBytes))
	}
	if s.MinInsyncReplicas != 0 {
		set("min.insync.replicas", int64(s.MinInsyncReplicas))
	}
	t.ConfigEntries = append(t.ConfigEntries, kafka.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "delete"})
	return t
}

// EnsureTopic creates a topic where there is none, and waits until each of its partitions has a leader. A topic that is
// there is left as it is, however it is set; created says which it was.
func (c *Client) EnsureTopic(ctx context.Context, spec TopicSpec) (created bool, err error) {
	if _, err := c.topic(ctx, spec.Name); !errors.Is(err, ErrNoTopic) {
		return false, err
	}
	err = c.try(ctx, func(ctx context.Context) error {
		response, err := c.kafka.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{spec.config()}})
		if err != nil {
			return err
		}
		return response.Errors[spec.Name]
	})
	switch {
	case errors.Is(err, kafka.TopicAlreadyExists): // by somebody else, just now
	case err != nil:
		return false, fmt.Errorf("kafka: create topic %s: %w", spec.Name, err)
	default:
		created = true
	}
	return created, c.awaitLeaders(ctx, spec.Name)
}

// awaitLeaders waits until a new topic can be used: until its leaders know that they are. Metadata names them before.
func (c *Client) awaitLeaders(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*c.connection.Timeout)
	defer cancel()
	wait := newBackoff()
	for {
		err := c.leadersAnswer(ctx, name)
		if err == nil {
			return nil
		}
		c.refresh(time.Now())
		if !wait.sleep(ctx) {
			return fmt.Errorf("kafka: topic %s does not become ready: %w", name, errors.Join(err, context.Cause(ctx)))
		}
	}
}

func (c *Client) leadersAnswer(ctx context.Context, name string) error {
	partitions, err := c.Partitions(ctx, name)
	if err != nil {
		return err
	}
	if len(partitions) == 0 {
		return kafka.LeaderNotAvailable
	}
	requests := make([]kafka.OffsetRequest, len(partitions))
	for i, id := range partitions {
		requests[i] = kafka.LastOffsetOf(id)
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	response, err := c.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{name: requests}})
	if err != nil {
		return err
	}
	for _, p := range response.Topics[name] {
		if p.Error != nil {
			return p.Error
		}
	}
	return nil
}

// Finding is one setting of a topic that endangers the books.
type Finding struct {
	Setting string
	Value   string
	Problem string
}

// String is `setting: value: problem`.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Setting, f.Value, f.Problem) }

// CheckTopic returns what is wrong with a topic's settings: none is a topic that events may go to.
func (c *Client) CheckTopic(ctx context.Context, name string) ([]Finding, error) {
	t, err := c.topic(ctx, name)
	if err != nil {
		return nil, err
	}
	settings, err := c.settings(ctx, name)
	if err != nil {
		return nil, err
	}
	findings := checkSettings(settings)
	if f, bad := checkReplicas(settings["min.insync.replicas"], t.Partitions); bad {
		findings = append(findings, f)
	}
	return findings, nil
}

func (c *Client) settings(ctx context.Context, topic string) (map[string]string, error) {
	settings := map[string]string{}
	err := c.try(ctx, func(ctx context.Context) error {
		response, err := c.kafka.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
			Resources: []kafka.DescribeConfigRequestResource{{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
				ConfigNames: []string{"max.message.bytes", "cleanup.policy", "retention.ms", "min.insync.replicas"},
			}},
		})
		if err != nil {
			return err
		}
		for _, r := range response.Resources {
			if r.Error != nil {
				return r.Error
			}
			for _, e := range r.ConfigEntries {
				settings[e.ConfigName] = e.ConfigValue
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("kafka: settings of %s: %w", topic, err)
	}
	return settings, nil
}

func checkSettings(settings map[string]string) (findings []Finding) {
	number := func(name string) (int64, bool) {
		n, err := strconv.ParseInt(settings[name], 10, 64)
		return n, err == nil
	}
	if n, ok := number("max.message.bytes"); !ok || n < MinMessageBytes {
		findings = append(findings, Finding{
			"max.message.bytes", settings["max.message.bytes"], fmt.Sprintf("must be at least %d", MinMessageBytes),
		})
	}
	if policy := settings["cleanup.policy"]; policy != "delete" {
		findings = append(findings, Finding{"cleanup.policy", policy, "must be delete: compaction would drop facts"})
	}
	if ms, ok := number("retention.ms"); !ok || ms >= 0 && ms < MinRetention.Milliseconds() {
		findings = append(findings, Finding{
			"retention.ms", settings["retention.ms"],
			fmt.Sprintf("must be at least %d (7 days); 30 days are advised", MinRetention.Milliseconds()),
		})
	}
	return findings
}

// checkReplicas looks whether every partition can acknowledge a write as it stands.
func checkReplicas(minInsync string, partitions []kafka.Partition) (Finding, bool) {
	needed, err := strconv.Atoi(minInsync)
	if err != nil {
		return Finding{"min.insync.replicas", minInsync, "must be a number"}, true
	}
	for _, p := range partitions {
		switch {
		case len(p.Replicas) < needed:
			return Finding{"min.insync.replicas", minInsync, fmt.Sprintf(
				"partition %d has %d replicas: no write is ever acknowledged", p.ID, len(p.Replicas),
			)}, true
		case len(p.Isr) < needed:
			return Finding{"min.insync.replicas", minInsync, fmt.Sprintf(
				"partition %d has %d replicas in sync: no write is acknowledged now", p.ID, len(p.Isr),
			)}, true
		}
	}
	return Finding{}, false
}

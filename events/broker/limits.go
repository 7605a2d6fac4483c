package broker

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// adminTimeout bounds what we ask of our own broker.
const adminTimeout = 30 * time.Second

// limits are a topic's settings. Retention is applied only to topics that state it, so that every topic must.
func (b *Broker) limits() map[string]string {
	return map[string]string{
		"cleanup.policy":  "delete",
		"retention.ms":    strconv.FormatInt(b.options.Retention.Milliseconds(), 10),
		"retention.bytes": strconv.FormatInt(b.options.RetentionBytes, 10),
		"segment.bytes":   strconv.Itoa(segmentBytes),
	}
}

// limitNewTopics gives a topic that a client creates the limits that the client did not name.
func (b *Broker) limitNewTopics() {
	b.cluster.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		create, ok := request.(*kmsg.CreateTopicsRequest)
		if !ok {
			return nil, nil, false
		}
		for i := range create.Topics {
			addConfigs(&create.Topics[i], b.limits())
		}
		return nil, nil, false // the cluster goes on with the request
	})
}

func addConfigs(topic *kmsg.CreateTopicsRequestTopic, limits map[string]string) {
	named := map[string]bool{}
	for _, c := range topic.Configs {
		named[c.Name] = true
	}
	for name, value := range limits {
		if named[name] {
			continue
		}
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, &value
		topic.Configs = append(topic.Configs, c)
	}
}

// limitOldTopics gives the topics of Options that are already there this start's limits. Others keep their own.
func (b *Broker) limitOldTopics() error {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, t := range b.options.Topics {
		if b.cluster.TopicInfo(t.Name) == nil {
			continue
		}
		resource := kmsg.NewIncrementalAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, t.Name
		for name, value := range b.limits() {
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name, c.Op, c.Value = name, kmsg.IncrementalAlterConfigOpSet, &value
			resource.Configs = append(resource.Configs, c)
		}
		request.Resources = append(request.Resources, resource)
	}
	if len(request.Resources) == 0 {
		return nil
	}
	client, err := b.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("set retention: %w", err)
	}
	for _, r := range response.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("set retention of %s: %w", r.ResourceName, err)
		}
	}
	return nil
}

// client is one of our own; there is no other way to change a topic's settings.
func (b *Broker) client() (*kgo.Client, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(b.addr)}
	if b.options.TLS != nil {
		// We dial ourselves: whom we reach is not in question.
		opts = append(opts, kgo.DialTLSConfig(&tls.Config{InsecureSkipVerify: true})) //nolint:gosec // see above
	}
	if len(b.options.Users) > 0 {
		opts = append(opts, kgo.SASL(mechanism(b.options.Users[0])))
	}
	if b.options.Network != nil {
		opts = append(opts, kgo.Dialer(b.options.Network.DialContext))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("own client: %w", err)
	}
	return client, nil
}

func mechanism(u User) sasl.Mechanism {
	switch u.Mechanism {
	case "SCRAM-SHA-256":
		return scram.Auth{User: u.Name, Pass: u.Password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: u.Name, Pass: u.Password}.AsSha512Mechanism()
	default:
		return plain.Auth{User: u.Name, Pass: u.Password}.AsMechanism()
	}
}

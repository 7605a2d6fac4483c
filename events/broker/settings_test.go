package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func create(t *testing.T, client *kgo.Client, topic string, settings map[string]*string) {
	t.Helper()
	request := kmsg.NewPtrCreateTopicsRequest()
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, 1, 1
	for name, value := range settings {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, value
		wanted.Configs = append(wanted.Configs, c)
	}
	request.Topics = append(request.Topics, wanted)
	response, err := request.RequestWith(t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// wantSettings asks the broker, as a client does, what a topic's retention is.
func wantSettings(t *testing.T, b *Broker, topic, milliseconds, bytes string) {
	t.Helper()
	client := newClient(t, b.Addr())
	defer client.Close()
	request := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range response.Resources[0].Configs {
		if c.Value != nil {
			got[c.Name] = *c.Value
		}
	}
	want := map[string]string{"retention.ms": milliseconds, "retention.bytes": bytes, "cleanup.policy": "delete"}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s is %q, want %q", topic, name, got[name], value)
		}
	}
}

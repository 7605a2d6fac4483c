package events

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// schemaOf is the part of a JSON Schema that the test reads.
type schemaOf struct {
	ID         string                     `json:"$id"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
}

func TestSchemasNameEveryMember(t *testing.T) {
	full := samples()
	full[0].(*AttemptSettled).ErrorClass = ErrorTransport
	full[1].(*RequestClosed).ErrorCode = "internal"
	for _, e := range full {
		payload, _ := e.AppendJSON(nil)
		checkSchema(t, e.Type(), payload)
	}
	barrier, _ := json.Marshal(Barrier{GatewayID: "gw-1", Epoch: 1, Acked: 2, Partitions: 3})
	checkSchema(t, TypeBarrier, barrier)
}

func checkSchema(t *testing.T, eventType string, payload []byte) {
	t.Helper()
	name := strings.TrimSuffix(strings.TrimPrefix(eventType, "tollhouse."), ".v1")
	raw, err := os.ReadFile("schema/" + strings.ReplaceAll(name, ".", "_") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var schema schemaOf
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &members); err != nil {
		t.Fatal(err)
	}
	if schema.ID != eventType {
		t.Errorf("%s: $id is %s", eventType, schema.ID)
	}
	for m := range members {
		if schema.Properties[m] == nil {
			t.Errorf("%s: the schema does not name %s", eventType, m)
		}
	}
	for m := range schema.Properties {
		if members[m] == nil {
			t.Errorf("%s: the full sample lacks %s", eventType, m)
		}
	}
	for _, m := range schema.Required {
		if members[m] == nil || slices.Contains([]string{"labels", "model"}, m) {
			t.Errorf("%s: %s cannot be required", eventType, m)
		}
	}
}

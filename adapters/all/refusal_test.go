package all

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
)

// A client of AWS's SDK learns from a header which exception it is, also where the provider speaks another format.
func TestATranslatedRefusalIsNamedInItsHeader(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]string{400: "ValidationException", 404: "ResourceNotFoundException", 429: "ThrottlingException"} {
		body := []byte(`{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}`)
		client := set.Dialect("bedrock_converse")
		inspection, err := client.Inspect(adapters.OperationChat, "/model/m/converse", body)
		if err != nil {
			t.Fatal(err)
		}
		p := &as{dialect: set.Dialect("openai_chat"), status: status, answer: []string{`{"error":{"message":"no"}}`}}
		v := adapters.NewProviderInvoker(adapters.InvokerOptions{})
		resp, err := v.Invoke(t.Context(), &adapters.Target{
			Registry: &adapters.Registry{Name: "r", Provider: p}, Endpoint: &adapters.Endpoint{Name: "e"}, SentModel: "sent", Ticket: ticket{},
		}, &adapters.RequestContext{
			Dialect: client, Operation: adapters.OperationChat, Method: http.MethodPost, Path: "/model/m/converse", Header: http.Header{},
			Body: body, Inspection: inspection,
		})
		v.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Headers.Get("X-Amzn-Errortype"); got != want || resp.StatusCode != status || !bytes.Equal(resp.Body, []byte(`{"message":"no"}`)) {
			t.Errorf("%d %q: %s", resp.StatusCode, got, resp.Body)
		}
	}
}

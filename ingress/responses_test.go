package ingress_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Responses are made at one route, and read, cancelled and deleted below it, with and without the prefix.
func TestResponsesRoutes(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // the previous response that is forwarded, and whether it is streamed; or what the error says
	}{
		{"POST", "/v1/responses", `{"model":"gpt-4o","input":"x"}`, 200, "chat keeps"},
		{"POST", "/openai/v1/responses", `{"model":"gpt-4o","input":"x","store":false,"stream":true}`, 200, "chat streamed"},
		{"POST", "/v1/responses", `{"model":"gpt-4o","previous_response_id":"resp_1"}`, 200, "chat resp_1 keeps"},
		{"POST", "/v1/responses", `{"model":"gpt-4o","store":true,"stor\u0065":false}`, 400, "store is given twice"},
		{"POST", "/v1/responses", `{"model":"gpt-4o","previous_response_id":7}`, 400, `"param":"previous_response_id"`},
		{"GET", "/v1/responses/resp_1", "", 200, "stored_response resp_1"},
		{"GET", "/openai/v1/responses/resp_1?stream=true&starting_after=3", "", 200, "stored_response resp_1 streamed"},
		{"DELETE", "/v1/responses/resp_1", "", 200, "stored_response resp_1"},
		{"GET", "/v1/responses/resp_1/input_items?limit=2", "", 200, "stored_response resp_1"},
		{"POST", "/v1/responses/resp_1/cancel", "", 200, "stored_response resp_1"},
		{"PUT", "/v1/responses/resp_1", "", 405, "PUT is not allowed"},
		{"POST", "/v1/responses/resp_1", "{}", 405, "POST is not allowed"},
		{"DELETE", "/v1/responses/resp_1/cancel", "", 405, "DELETE is not allowed"},
		{"GET", "/v1/responses", "", 405, "GET is not allowed"},
		{"GET", "/v1/responses/resp_1/elsewhere", "", 404, "there is no route"},
		{"GET", "/v1/responses/", "", 404, "there is no route"},
		{"GET", "/v1/responses/resp%2F..%2F1", "", 404, "there is no response of that id"},
		{"GET", "/v1/responses/resp_1;x=1", "", 404, "there is no response of that id"},
		{"GET", "/v1/responses/" + strings.Repeat("r", 300), "", 404, "there is no response of that id"},
		{"GET", "/anthropic/v1/responses/resp_1", "", 405, `"type":"error"`},
	} {
		t.Run(c.method+" "+c.path[:min(len(c.path), 60)]+" "+c.body, func(t *testing.T) {
			f := &forwarder{}
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			r.Header.Set("Authorization", "Bearer "+key)
			w := serve(newServer(t, f, nil), r)
			if w.Code != c.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if c.status != http.StatusOK {
				if len(f.seen) > 0 || !strings.Contains(w.Body.String(), c.want) {
					t.Errorf("%s, forwarded: %d", w.Body, len(f.seen))
				}
				return
			}
			req := f.seen[0].Request
			got := string(req.Operation)
			if req.PreviousResponse != "" {
				got += " " + req.PreviousResponse
			}
			if req.Stream {
				got += " streamed"
			}
			if req.Keeps {
				got += " keeps"
			}
			path, _, _ := strings.Cut(strings.TrimPrefix(c.path, "/openai"), "?")
			if got != c.want || req.Path != path || req.Method != c.method || req.Dialect.Name() != "openai_responses" {
				t.Errorf("%q at %s %s in %s", got, req.Method, req.Path, req.Dialect.Name())
			}
		})
	}
}

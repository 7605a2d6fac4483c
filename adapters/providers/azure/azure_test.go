package azure

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/openaichat"
	"github.com/tollhouse/tollhouse/adapters/dialects/openairesponses"
)

func TestNewRequest(t *testing.T) {
	for _, c := range []struct {
		name, base string
		options    map[string]string
		dialect    adapters.Dialect
		path       string
		want       string // the URL and the header of the key
	}{
		{"deployments", "https://r.openai.azure.com", map[string]string{"api_version": "2024-10-21"}, openaichat.Dialect{}, "/v1/chat/completions", "https://r.openai.azure.com/openai/deployments/my%2Fdep/chat/completions?api-version=2024-10-21 Api-Key"},
		{"v1", "https://r.openai.azure.com/", nil, openaichat.Dialect{}, "/v1/chat/completions", "https://r.openai.azure.com/openai/v1/chat/completions Api-Key"},
		{"v1, as the SDK takes it", "https://r.openai.azure.com/openai/v1/", map[string]string{"auth": "entra"}, openaichat.Dialect{}, "/v1/chat/completions", "https://r.openai.azure.com/openai/v1/chat/completions Authorization"},
		{"responses", "https://r.openai.azure.com", map[string]string{"api_version": "2024-10-21"}, openairesponses.Dialect{}, "/v1/responses", "https://r.openai.azure.com/openai/v1/responses Api-Key"},
		{"a stored response", "https://r.openai.azure.com", nil, openairesponses.Dialect{}, "/v1/responses/resp_1", "https://r.openai.azure.com/openai/v1/responses/resp_1 Api-Key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, _ := url.Parse(c.base)
			target := &adapters.Target{
				Registry:  &adapters.Registry{Options: c.options},
				Endpoint:  &adapters.Endpoint{BaseURL: base, APIKey: "secret"},
				SentModel: "my/dep",
			}
			req := &adapters.RequestContext{Dialect: c.dialect, Method: http.MethodPost, Path: c.path, Header: http.Header{}}
			up, err := Provider{}.NewRequest(t.Context(), target, req, []byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			key := ""
			for name, values := range up.Header {
				if strings.Contains(strings.Join(values, ""), "secret") {
					key = name
				}
			}
			if got := up.URL.String() + " " + key; got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCheckNamesTheKey(t *testing.T) {
	wrong := Provider{}.Check(&adapters.Registry{
		Options:   map[string]string{"auth": "magic", "region": "x"},
		Endpoints: []*adapters.Endpoint{{}},
	})
	var all []string
	for _, e := range wrong {
		all = append(all, e.Error())
	}
	got := strings.Join(all, "\n")
	for _, want := range []string{"auth: must be", "region: unknown", "endpoints[0].base_url", "endpoints[0].api_key"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not among\n%s", want, got)
		}
	}
}

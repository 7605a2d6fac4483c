package vertex

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/dialects/anthropic"
	"github.com/tollhouse/tollhouse/adapters/dialects/gemini"
)

func TestRequests(t *testing.T) {
	const claude = "claude-3-7-sonnet@20250219"
	for _, c := range []struct {
		name, location, sent string
		req                  adapters.RequestContext
		url, body            string
	}{
		{
			"gemini", "us-central1", "gemini-2.5-pro",
			adapters.RequestContext{Dialect: gemini.Dialect{}, Path: "/v1beta/models/m:generateContent"},
			"https://us-central1-aiplatform.googleapis.com/v1/projects/p-1/locations/us-central1/publishers/google/models/gemini-2.5-pro:generateContent",
			`{"model":"x"}`,
		},
		{
			"claude", "global", claude,
			adapters.RequestContext{Dialect: anthropic.Dialect{}, Operation: adapters.OperationChat, Path: "/v1/messages"},
			"https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/publishers/anthropic/models/" + claude + ":rawPredict",
			`{"anthropic_version":"vertex-2023-10-16"}`,
		},
		{
			"claude, streamed", "eu", claude,
			adapters.RequestContext{
				Dialect: anthropic.Dialect{}, Operation: adapters.OperationChat, Path: "/v1/messages", Inspection: adapters.Inspection{Stream: true},
			},
			"https://aiplatform.eu.rep.googleapis.com/v1/projects/p-1/locations/eu/publishers/anthropic/models/" + claude + ":streamRawPredict",
			`{"anthropic_version":"vertex-2023-10-16"}`,
		},
		{
			"claude's tokens", "global", claude,
			adapters.RequestContext{Dialect: anthropic.Dialect{}, Operation: adapters.OperationCountTokens, Path: "/v1/messages/count_tokens"},
			"https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/publishers/anthropic/models/count-tokens:rawPredict",
			`{"anthropic_version":"vertex-2023-10-16","model":"x"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := &adapters.Target{
				Registry: &adapters.Registry{Options: map[string]string{"project": "p-1", "location": "nowhere"}}, SentModel: c.sent,
				Endpoint: &adapters.Endpoint{APIKey: "ya29.token", Options: map[string]string{"location": c.location}},
			}
			up, err := New().NewRequest(context.Background(), target, &c.req, []byte(`{"model":"x"}`))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(up.Body)
			if up.URL.String() != c.url || string(body) != c.body || up.ContentLength != int64(len(body)) {
				t.Errorf("%s\n%s\nwant %s\n%s", up.URL, body, c.url, c.body)
			}
			if got := up.Header.Get("Authorization"); got != "Bearer ya29.token" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestClaudesBodyLosesOnlyItsModel(t *testing.T) {
	const version = `"anthropic_version":"vertex-2023-10-16"`
	for body, want := range map[string]string{
		`{"model":"m","max_tokens":1}`:                     `{` + version + `,"max_tokens":1}`,
		` { "max_tokens" : 1 , "model":"m" , "a":[ 1 ] } `: ` {` + version + `, "max_tokens" : 1 , "a":[ 1 ] } `,
		`{"a":1,"model":"m"}`:                              `{` + version + `,"a":1}`,
		`{"model":"m"}`:                                    `{` + version + `}`,
		`{}`:                                               `{` + version + `}`,
		`{"a":{"model":"kept"}}`:                           `{` + version + `,"a":{"model":"kept"}}`,
		`{"model":"m" , "anthropic_version":"vertex-newer"}`: `{ "anthropic_version":"vertex-newer"}`,
	} {
		got, err := claudeBody([]byte(body), false)
		if err != nil || string(got) != want || !json.Valid(got) {
			t.Errorf("%s became %s, want %s (%v)", body, got, want, err)
		}
	}
}

func TestDialectByModel(t *testing.T) {
	p := New()
	for _, c := range []struct {
		op    adapters.Operation
		model string
		want  adapters.Dialect
	}{
		{adapters.OperationChat, "gemini-2.5-pro", gemini.Dialect{}},
		{adapters.OperationChat, "claude-opus-4@20250514", anthropic.Dialect{}},
		{adapters.OperationCountTokens, "claude-opus-4@20250514", anthropic.Dialect{}},
		{adapters.OperationEmbeddings, "claude-opus-4@20250514", nil},
		{adapters.OperationEmbeddings, "gemini-embedding-001", gemini.Dialect{}},
		{adapters.OperationRerank, "gemini-2.5-pro", nil},
	} {
		if got := p.Dialect(gemini.Dialect{}, c.op, c.model); got != c.want {
			t.Errorf("%s %s: %v", c.op, c.model, got)
		}
	}
}

// account is the JSON of a service account whose tokens come from addr.
func account(t *testing.T, addr string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key_id": "1", "token_uri": addr,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	return string(text)
}

func TestAServiceAccountsTokenIsFetchedOnce(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"fresh","token_type":"Bearer","expires_in":3600}`)
	}))
	defer srv.Close()
	text := account(t, srv.URL)
	file := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := New()
	for _, target := range []*adapters.Target{
		{Registry: &adapters.Registry{}, Endpoint: &adapters.Endpoint{APIKey: adapters.Secret(text)}},
		{Registry: &adapters.Registry{Options: map[string]string{"credentials_file": file}}, Endpoint: &adapters.Endpoint{}},
	} {
		asked.Store(0)
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if token, err := p.tokens.get(context.Background(), credentialOf(target)); token != "fresh" || err != nil {
					t.Errorf("%q, %v", token, err)
				}
			})
		}
		wait.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
	}
}

func TestATokenIsReplacedBeforeItsEnd(t *testing.T) {
	fetched := make(chan struct{}, 8)
	s := &source{fetch: func(context.Context) (*oauth2.Token, error) {
		fetched <- struct{}{}
		return &oauth2.Token{AccessToken: "new", Expiry: time.Now().Add(time.Hour)}, nil
	}}
	s.current.Store(&oauth2.Token{AccessToken: "old", Expiry: time.Now().Add(time.Minute)})
	if token, err := s.get(context.Background()); token != "old" || err != nil {
		t.Errorf("%q, %v: nobody waits while the old one serves", token, err)
	}
	<-fetched
	s.current.Store(&oauth2.Token{AccessToken: "gone", Expiry: time.Now().Add(-time.Minute)})
	if token, err := s.get(context.Background()); token != "new" || err != nil {
		t.Errorf("%q, %v", token, err)
	}
}

func TestWhoWaitsForATokenCanLeave(t *testing.T) {
	release := make(chan struct{})
	s := &source{fetch: func(context.Context) (*oauth2.Token, error) {
		<-release
		return nil, errors.New("refused")
	}}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(adapters.ErrClientGone)
	if _, err := s.get(ctx); !errors.Is(err, adapters.ErrClientGone) {
		t.Error(err)
	}
	close(release)
	if _, err := s.get(context.Background()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}

func TestCheckNamesEachKey(t *testing.T) {
	wrong := New().Check(&adapters.Registry{
		Options: map[string]string{"project": "p-1", "zone": "x"},
		Endpoints: []*adapters.Endpoint{
			{APIKey: "token", Options: map[string]string{"location": "us-central1"}},
			{APIKey: `{"type":"authorized_user"}`, Options: map[string]string{"location": "global", "project": "Not One"}},
			{Options: map[string]string{"credentials_file": "/does/not/exist"}},
			{APIKey: "token", Options: map[string]string{"location": "a/b", "credentials_file": "x", "region": "y"}},
		},
	})
	got := errors.Join(wrong...).Error()
	for _, want := range []string{
		"zone: unknown key",
		"endpoints[1].project: must be like my-project", "endpoints[1].api_key: is not the JSON of a service account",
		"endpoints[2].location: must be given", "endpoints[2].credentials_file: open /does/not/exist",
		"endpoints[3].location: must be like", "endpoints[3].credentials_file: is given beside api_key", "endpoints[3].region: unknown key",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if len(wrong) != 8 {
		t.Errorf("%d errors:\n%s", len(wrong), got)
	}
}

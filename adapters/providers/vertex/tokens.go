package vertex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"

	"github.com/tollhouse/tollhouse/adapters"
)

// scope is what a token is asked for.
const scope = "https://www.googleapis.com/auth/cloud-platform"

const (
	fetchTimeout = 30 * time.Second
	// earlyRefresh is how long before its end a token is replaced, while the old one still serves.
	earlyRefresh = 4 * time.Minute
)

// credential says where an endpoint's tokens come from: a fixed one, a service account's JSON or its file, or none of them, which
// stands for the environment (application default credentials).
type credential struct{ token, account, file string }

func credentialOf(t *adapters.Target) credential {
	key := t.Endpoint.APIKey.Reveal()
	switch {
	case isServiceAccount(key):
		return credential{account: key}
	case key != "":
		return credential{token: key}
	}
	return credential{file: option(t.Registry, t.Endpoint, optionCredentials)}
}

// serviceAccount reads a service account's JSON. Other kinds of credentials are not taken from a configuration: they may name a
// program to run or an address to ask.
func serviceAccount(text []byte) (*jwt.Config, error) {
	config, err := google.JWTConfigFromJSON(text, scope)
	if err != nil {
		return nil, errors.New("is not the JSON of a service account") // err may quote what is secret
	}
	return config, nil
}

// tokens keeps one source for each credential: a reload of the configuration asks for no new token.
type tokens struct{ sources sync.Map } // credential → *source

func (t *tokens) get(ctx context.Context, c credential) (string, error) {
	if c.token != "" {
		return c.token, nil
	}
	s, ok := t.sources.Load(c)
	if !ok {
		s, _ = t.sources.LoadOrStore(c, &source{fetch: func(ctx context.Context) (*oauth2.Token, error) { return fetch(ctx, c) }})
	}
	return s.(*source).get(ctx)
}

// source holds the token of one credential. It is fetched once at a time, apart from the requests that wait for it: one of them
// that is cancelled takes nothing from the others.
type source struct {
	fetch   func(context.Context) (*oauth2.Token, error)
	current atomic.Pointer[oauth2.Token]

	mu      sync.Mutex
	running *fetching
}

type fetching struct {
	done chan struct{}
	err  error
}

func (s *source) get(ctx context.Context) (string, error) {
	token := s.current.Load()
	if token.Valid() {
		if !token.Expiry.IsZero() && time.Until(token.Expiry) < earlyRefresh {
			s.start()
		}
		return token.AccessToken, nil
	}
	f := s.start()
	select {
	case <-f.done:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if f.err != nil {
		return "", fmt.Errorf("get an access token: %w", f.err)
	}
	return s.current.Load().AccessToken, nil
}

// start begins to fetch a token, or returns the fetch that is under way.
func (s *source) start() *fetching {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return s.running
	}
	f := &fetching{done: make(chan struct{})}
	s.running = f
	go func() {
		defer close(f.done)
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		defer cancel()
		token, err := s.fetch(ctx)
		if f.err = err; err == nil {
			s.current.Store(token)
		}
		s.mu.Lock()
		s.running = nil
		s.mu.Unlock()
	}()
	return f
}

// fetch asks for a token.
func fetch(ctx context.Context, c credential) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: fetchTimeout})
	if c.account == "" && c.file == "" {
		found, err := google.FindDefaultCredentials(ctx, scope)
		if err != nil {
			return nil, err
		}
		return found.TokenSource.Token()
	}
	text := []byte(c.account)
	if c.account == "" {
		var err error
		if text, err = os.ReadFile(c.file); err != nil {
			return nil, err
		}
	}
	config, err := serviceAccount(text)
	if err != nil {
		return nil, err
	}
	return config.TokenSource(ctx).Token()
}

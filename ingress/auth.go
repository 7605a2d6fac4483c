package ingress

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// authenticate finds whose request it is, before a byte of the body is read.
func (s *Server) authenticate(r *http.Request) (routing.Key, error) {
	secret, err := secretOf(r)
	if err != nil {
		return routing.Key{}, err
	}
	key, ok := s.o.Snapshot().Authenticate(secret)
	if secret == "" || !ok {
		message := "the API key is not known"
		if secret == "" {
			message = "no API key was given"
		}
		return routing.Key{}, adapters.Errorf(adapters.CodeInvalidKey, "%s", message)
	}
	return key, nil
}

// secretOf takes the key from where any SDK puts it. Two different ones are refused: nobody could say which counts.
func secretOf(r *http.Request) (secret string, err error) {
	take := func(value string) {
		value = strings.TrimSpace(value)
		switch {
		case value == "":
		case secret == "":
			secret = value
		case secret != value:
			err = adapters.InvalidRequest("", "two different API keys were given")
		}
	}
	for _, value := range r.Header["Authorization"] {
		if scheme, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
			take(rest)
		}
	}
	for _, name := range [...]string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
		for _, value := range r.Header[name] {
			take(value)
		}
	}
	if r.URL.RawQuery != "" {
		for _, value := range r.URL.Query()["key"] {
			take(value)
		}
	}
	return secret, err
}

// queryWithoutKey is the query that may go up, as it was written.
func queryWithoutKey(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	var kept []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err != nil || plain != "key" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

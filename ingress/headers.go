package ingress

import (
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/adapters"
)

// Limits of one label.
const (
	maxLabelName  = 64
	maxLabelValue = 256
)

// labels joins the consumer's labels and the request's; the consumer's own stand: no caller may relabel its spend.
func (s *Server) labels(consumer map[string]string, r *http.Request) (map[string]string, error) {
	header := r.Header["X-Tollhouse-Labels"]
	if len(header) == 0 {
		return consumer, nil
	}
	all := make(map[string]string, len(consumer)+4)
	for pair := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || name == "":
			return nil, adapters.InvalidRequest("X-Tollhouse-Labels", "X-Tollhouse-Labels: wants name=value,name=value")
		case len(name) > maxLabelName || len(value) > maxLabelValue:
			return nil, adapters.InvalidRequest("X-Tollhouse-Labels",
				"X-Tollhouse-Labels: a name has at most %d bytes, a value %d", maxLabelName, maxLabelValue)
		case !utf8.ValidString(pair) || strings.ContainsFunc(pair, unicode.IsControl): // in an event each byte would take up to six
			return nil, adapters.InvalidRequest("X-Tollhouse-Labels", "X-Tollhouse-Labels: wants UTF-8 without control characters")
		}
		all[name] = value
	}
	for name, value := range consumer {
		all[name] = value
	}
	if most := s.settings.Load().MaxLabels; len(all) > most {
		return nil, adapters.InvalidRequest("X-Tollhouse-Labels", "X-Tollhouse-Labels: at most %d labels", most)
	}
	return all, nil
}

// maxTimeout bounds what a client may ask for.
const maxTimeout = 24 * time.Hour

// deadline reads X-Tollhouse-Timeout; 0: none.
func deadline(r *http.Request) (time.Duration, error) {
	value := r.Header.Get("X-Tollhouse-Timeout")
	if value == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 || d > maxTimeout {
		return 0, adapters.InvalidRequest("X-Tollhouse-Timeout", "X-Tollhouse-Timeout: wants a duration such as 30s, up to 24h")
	}
	return d, nil
}

// maxRequestID bounds the client's own request id.
const maxRequestID = 128

// requestID is the client's own, where it is fit to be sent back.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) > maxRequestID {
		return ""
	}
	return id
}

// answerHeader writes the headers of an answer.
func answerHeader(h, from http.Header, clientsID string) {
	for name, values := range from {
		h[name] = values
	}
	if clientsID != "" {
		h["X-Request-Id"] = []string{clientsID}
	}
}

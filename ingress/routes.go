package ingress

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tollhouse/tollhouse/adapters"
)

// The dialects' names, as the set knows them.
const (
	openAI    = "openai_chat"
	anthropic = "anthropic_messages"
	cohere    = "cohere"
)

// route is one line of the table: what a path means.
type route struct {
	method, path, dialect string
	operation             adapters.Operation
}

// The routes that go upstream. Each is served with and without its dialect's prefix.
var table = []route{
	{http.MethodPost, "/v1/chat/completions", openAI, adapters.OperationChat},
	{http.MethodPost, "/v1/embeddings", openAI, adapters.OperationEmbeddings},
	{http.MethodPost, "/v1/messages", anthropic, adapters.OperationChat},
	{http.MethodPost, "/v1/messages/count_tokens", anthropic, adapters.OperationCountTokens},
	{http.MethodPost, "/v2/chat", cohere, adapters.OperationChat},
	{http.MethodPost, "/v2/embed", cohere, adapters.OperationEmbeddings},
	{http.MethodPost, "/v2/rerank", cohere, adapters.OperationRerank},
}

// prefixes under which a dialect's routes also stand.
var prefixes = map[string]string{"/openai": openAI, "/anthropic": anthropic, "/cohere": cohere}

func (s *Server) routes(e *echo.Echo) {
	for _, r := range table {
		handle := func(c echo.Context) error {
			s.forward(c.Response().Writer, c.Request(), r)
			return nil
		}
		e.Add(r.method, r.path, handle)
		for prefix, dialect := range prefixes {
			if dialect == r.dialect {
				e.Add(r.method, prefix+r.path, handle)
			}
		}
	}
	for _, prefix := range []string{"", "/openai", "/anthropic", "/cohere"} {
		handle := func(c echo.Context) error {
			s.models(c.Response().Writer, c.Request(), prefix)
			return nil
		}
		e.Match([]string{http.MethodGet, http.MethodHead}, prefix+"/v1/models", handle)
		e.Match([]string{http.MethodGet, http.MethodHead}, prefix+"/v1/models/*", handle)
	}
	e.RouteNotFound("/*", func(c echo.Context) error {
		s.unrouted(c.Response().Writer, c.Request())
		return nil
	})
	e.HTTPErrorHandler = func(_ error, c echo.Context) { // Echo's own: a method that no route of the path has
		s.unrouted(c.Response().Writer, c.Request())
	}
}

// nearest names the dialect that a request is in: its prefix says so, else its route, else its header.
func nearest(r *http.Request) string {
	for prefix, dialect := range prefixes {
		if strings.HasPrefix(r.URL.Path, prefix+"/") {
			return dialect
		}
	}
	for _, route := range table {
		if route.path == r.URL.Path {
			return route.dialect
		}
	}
	if strings.HasPrefix(r.URL.Path, "/v1/messages") || r.Header.Get("Anthropic-Version") != "" {
		return anthropic
	}
	return openAI
}

// dialectOf is the nearest dialect to a path, for errors on paths that are no route: the client's SDK is to understand them.
func (s *Server) dialectOf(r *http.Request) adapters.Dialect {
	return s.o.Set.Dialect(nearest(r))
}

// unrouted answers a path or a method that is not in the table.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	path := trimPrefix(r.URL.Path)
	allow := methods(path)
	if len(allow) == 0 {
		s.refuse(w, r, adapters.Errorf(adapters.CodeRouteNotFound, "there is no route %s", path))
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	s.refuse(w, r, adapters.Errorf(adapters.CodeMethodNotAllowed, "%s is not allowed on %s", r.Method, path))
}

// methods lists what a path takes.
func methods(path string) (allow []string) {
	for _, r := range table {
		if r.path == path {
			allow = append(allow, r.method)
		}
	}
	if path == "/v1/models" || strings.HasPrefix(path, "/v1/models/") {
		allow = append(allow, http.MethodGet, http.MethodHead)
	}
	return allow
}

func trimPrefix(path string) string {
	for prefix := range prefixes {
		if rest, ok := strings.CutPrefix(path, prefix+"/"); ok {
			return "/" + rest
		}
	}
	return path
}

// cors answers a browser's preflight, and marks answers, for the configured origins only.
func (s *Server) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(s.o.CORS, origin) && !slices.Contains(s.o.CORS, "*") {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", "*")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

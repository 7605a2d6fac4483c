package ingress

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tollhouse/tollhouse/adapters"
)

// The dialects' names, as the set knows them.
const (
	openAI    = "openai_chat"
	responses = "openai_responses"
	anthropic = "anthropic_messages"
	cohere    = "cohere"
	gemini    = "gemini"
	bedrock   = "bedrock_converse"
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
	{http.MethodPost, "/v1/responses", responses, adapters.OperationChat},
	{http.MethodPost, "/v1/messages", anthropic, adapters.OperationChat},
	{http.MethodPost, "/v1/messages/count_tokens", anthropic, adapters.OperationCountTokens},
	{http.MethodPost, "/v2/chat", cohere, adapters.OperationChat},
	{http.MethodPost, "/v2/embed", cohere, adapters.OperationEmbeddings},
	{http.MethodPost, "/v2/rerank", cohere, adapters.OperationRerank},
}

// modelRoute is a line of the table for dialects that have the model, and what is asked of it, in the path.
type modelRoute struct {
	base, dialect string
	methods       map[string]adapters.Operation // by how the path ends
}

var geminiMethods = map[string]adapters.Operation{
	":generateContent": adapters.OperationChat, ":streamGenerateContent": adapters.OperationChat,
	":countTokens": adapters.OperationCountTokens, ":embedContent": adapters.OperationEmbeddings,
	":batchEmbedContents": adapters.OperationEmbeddings,
}

var modelTable = []modelRoute{
	{"/v1beta/models/", gemini, geminiMethods},
	{"/v1/models/", gemini, geminiMethods},
	{"/model/", bedrock, map[string]adapters.Operation{
		"/converse": adapters.OperationChat, "/converse-stream": adapters.OperationChat, "/count-tokens": adapters.OperationCountTokens,
	}},
}

// find returns what a path means.
func (m modelRoute) find(path string) (route, bool) {
	if !strings.HasPrefix(path, m.base) {
		return route{}, false
	}
	for end, op := range m.methods {
		if strings.HasSuffix(path, end) {
			return route{http.MethodPost, path, m.dialect, op}, true
		}
	}
	return route{}, false
}

// storedBase is where stored answers stand, each by its id.
const storedBase = "/v1/responses/"

// storedMethods are what may be done with a stored answer, by what stands behind its id.
var storedMethods = map[string][]string{
	"":            {http.MethodGet, http.MethodDelete},
	"input_items": {http.MethodGet},
	"cancel":      {http.MethodPost},
}

// stored lists the methods that a path below storedBase takes.
func stored(path string) []string {
	rest, ok := strings.CutPrefix(path, storedBase)
	id, below, _ := strings.Cut(rest, "/")
	if !ok || id == "" || below == "" && strings.Contains(rest, "/") {
		return nil
	}
	return storedMethods[below]
}

// lists are the routes that tell which models a key may use.
var lists = []string{"/v1/models", "/v1beta/models"}

// prefixes under which a dialect's routes also stand.
var prefixes = map[string]string{"/openai": openAI, "/anthropic": anthropic, "/cohere": cohere, "/gemini": gemini, "/bedrock": bedrock}

// under reports whether a dialect's routes stand under a prefix, too. OpenAI has two.
func under(prefix, dialect string) bool {
	return prefix == "" || prefixes[prefix] == dialect || dialect == responses && prefixes[prefix] == openAI
}

func (s *Server) routes(e *echo.Echo) {
	for _, r := range table {
		handle := func(c echo.Context) error {
			s.forward(c.Response().Writer, c.Request(), r)
			return nil
		}
		e.Add(r.method, r.path, handle)
		for prefix := range prefixes {
			if under(prefix, r.dialect) {
				e.Add(r.method, prefix+r.path, handle)
			}
		}
	}
	for _, prefix := range append(slices.Collect(maps.Keys(prefixes)), "") {
		if under(prefix, responses) {
			e.Match([]string{http.MethodGet, http.MethodPost, http.MethodDelete}, prefix+storedBase+"*", func(c echo.Context) error {
				s.forwardStored(c.Response().Writer, c.Request())
				return nil
			})
		}
		for _, m := range modelTable {
			if under(prefix, m.dialect) {
				e.POST(prefix+m.base+"*", func(c echo.Context) error {
					s.forwardModel(c.Response().Writer, c.Request(), m)
					return nil
				})
			}
		}
		for _, list := range lists {
			handle := func(c echo.Context) error {
				s.models(c.Response().Writer, c.Request(), prefix+list)
				return nil
			}
			e.Match([]string{http.MethodGet, http.MethodHead}, prefix+list, handle)
			e.Match([]string{http.MethodGet, http.MethodHead}, prefix+list+"/*", handle)
		}
	}
	e.RouteNotFound("/*", func(c echo.Context) error {
		s.unrouted(c.Response().Writer, c.Request())
		return nil
	})
	e.HTTPErrorHandler = func(_ error, c echo.Context) { // Echo's own: a method that no route of the path has
		s.unrouted(c.Response().Writer, c.Request())
	}
}

// forwardModel takes a request whose model and method stand in its path.
func (s *Server) forwardModel(w http.ResponseWriter, r *http.Request, m modelRoute) {
	to, ok := m.find(trimPrefix(r.URL.EscapedPath()))
	if !ok {
		s.unrouted(w, r)
		return
	}
	s.forward(w, r, to)
}

// forwardStored takes a request about a stored answer.
func (s *Server) forwardStored(w http.ResponseWriter, r *http.Request) {
	path := trimPrefix(r.URL.EscapedPath())
	if !slices.Contains(stored(path), r.Method) {
		s.unrouted(w, r)
		return
	}
	s.forward(w, r, route{r.Method, path, responses, adapters.OperationStored})
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
	for _, m := range modelTable {
		if _, ok := m.find(r.URL.Path); ok {
			return m.dialect
		}
	}
	if strings.HasPrefix(r.URL.Path, storedBase) {
		return responses
	}
	if strings.HasPrefix(r.URL.Path, "/v1beta/") {
		return gemini
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
	for _, m := range modelTable {
		if to, ok := m.find(path); ok {
			return []string{to.method}
		}
	}
	if allow := stored(path); allow != nil {
		return allow
	}
	for _, list := range lists {
		if path == list || strings.HasPrefix(path, list+"/") {
			allow = append(allow, http.MethodGet, http.MethodHead)
		}
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
	if origin == "" {
		return false
	}
	if from := s.settings.Load().CORS; !slices.Contains(from, origin) && !slices.Contains(from, "*") {
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

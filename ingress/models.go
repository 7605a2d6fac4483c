package ingress

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tollhouse/tollhouse/actors/routing"
	"github.com/tollhouse/tollhouse/adapters"
)

// models answers GET of a list of models, and of one of it, with what the key may use. The format is that of the path, or of the
// prefix, or Anthropic's where the client says so by its version header.
func (s *Server) models(w http.ResponseWriter, r *http.Request, list string) {
	key, err := s.authenticate(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	dialect := s.dialectOf(r)
	usable := s.usable(key.Consumer)
	escaped := strings.TrimPrefix(r.URL.EscapedPath(), list)
	if escaped == "" || escaped == "/" {
		models := make([]adapters.Model, 0, len(usable))
		for _, name := range slices.Sorted(maps.Keys(usable)) {
			models = append(models, adapters.Model{ID: name, OwnedBy: usable[name]})
		}
		s.writeJSON(w, dialect.RenderModels(models))
		return
	}
	id, err := url.PathUnescape(escaped[1:])
	if err != nil || usable[id] == "" {
		s.refuse(w, r, &adapters.Error{Code: adapters.CodeModelNotFound, Param: "model", Message: "there is no model " + strconv.Quote(id) + " for this key"})
		return
	}
	s.writeJSON(w, dialect.RenderModel(adapters.Model{ID: id, OwnedBy: usable[id]}))
}

func (s *Server) writeJSON(w http.ResponseWriter, body []byte) {
	w.Header()["Content-Type"] = jsonType
	s.deadline(w)
	_, _ = w.Write(body)
}

// usable lists the models a consumer may ask for, each with the registry that serves it first. Globs are matched with the
// names that are known; a registry that serves anything adds those.
func (s *Server) usable(c *routing.Consumer) map[string]string {
	names := map[string]string{}
	add := func(name, owner string) {
		if _, there := names[name]; !there && routing.Match(c.Models.Allow, name) {
			names[name] = owner
		}
	}
	serve := func(r *adapters.Registry) {
		for _, m := range r.Models {
			if !strings.ContainsAny(m, "*?[") {
				add(m, r.Name)
			}
		}
		for m := range r.ModelMap {
			add(m, r.Name)
		}
		for _, m := range s.settings.Load().Models {
			if routing.Match(r.Models, m) {
				add(m, r.Name)
			}
		}
	}
	if c.Pool != nil {
		for _, m := range c.Pool.Members {
			serve(m.Registry)
		}
	}
	for _, f := range c.Fallback {
		serve(f.Registry)
	}
	for alias, name := range c.Models.Aliases {
		if owner, ok := names[name]; ok {
			names[alias] = owner
		}
	}
	return names
}

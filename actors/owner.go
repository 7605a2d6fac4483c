package actors

import (
	"fmt"
	"net/http"

	"github.com/tollhouse/tollhouse/actors/sessions"
	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/events"
)

// Sessions knows which endpoint keeps a stored answer. *sessions.Store is one.
type Sessions interface {
	// Owner returns who keeps the answer of that id; ok is false where that is not known.
	Owner(id string) (o sessions.Owner, ok bool)
	// Keep remembers it, before the client can have seen the id.
	Keep(id string, o sessions.Owner) error
	// Forget is told that the answer is gone.
	Forget(id string) error
}

// keep notes where an answer is kept that the client may build on, as soon as it has an id, whatever comes of it; and that one is gone.
func (w *forward) keep(registry *adapters.Registry, start *events.Start, resp *adapters.ProviderResponse) {
	req := w.in.Request
	deleted := req.Operation == adapters.OperationStored && req.Method == http.MethodDelete
	if w.kept || !req.Keeps && !deleted || resp.StatusCode < 200 || resp.StatusCode > 299 {
		return
	}
	var err error
	switch {
	case deleted:
		err = w.f.o.Sessions.Forget(req.PreviousResponse)
	case resp.ResponseID == "" || registry.Provider.Dialect(req.Dialect, req.Operation, start.SentModel) != req.Dialect:
		return // it has no name yet; or it was translated, and nobody keeps it
	default:
		owner := sessions.Owner{Consumer: w.in.Consumer.Name, Registry: start.Registry, Endpoint: start.Endpoint}
		err = w.f.o.Sessions.Keep(resp.ResponseID, owner)
	}
	w.kept = true
	if err != nil {
		w.f.o.Logger.Error("it could not be noted who keeps a response; after a restart it may not be found", "request", req.ID, "err", err)
	}
}

// toOwner leaves only the endpoint that keeps the answer on which the request builds, or which it is about. Where that is not known,
// those are left that may have it, and say themselves if they do not.
func (r *requestActor) toOwner() error {
	req := r.in.Request
	param := "previous_response_id"
	if req.Operation == adapters.OperationStored {
		param = "response_id"
	}
	switch {
	case r.owner == sessions.Owner{}:
		r.route.KeepNative(req.Dialect, req.Operation)
		return nil
	case r.owner.Consumer != r.in.Consumer.Name:
		return &adapters.Error{
			Code: adapters.CodeInvalidRequest, Status: http.StatusNotFound, Param: param,
			Message: fmt.Sprintf("there is no response %q for this key", req.PreviousResponse),
		}
	}
	for _, c := range r.route.Candidates {
		if c.Registry.Name != r.owner.Registry {
			r.consider(events.Considered{Registry: c.Registry.Name, Model: c.SentModel, Reason: events.NotTheOwner})
		}
	}
	return r.route.Pin(r.owner.Registry, r.owner.Endpoint, param)
}

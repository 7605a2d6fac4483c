package upstream

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// responses writes OpenAI's Responses: a lone message, or a lone call.
type responses struct{}

func (responses) stream() string { return serverSentEvents }

func (responses) usage(u Usage) string {
	return fmt.Sprintf(`{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d},"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":%d}`,
		u.Input, u.Cached, u.Output, u.Input+u.Output)
}

func (responses) response(e *Entry, status, output, usage string) string {
	return fmt.Sprintf(`{"id":%q,"object":"response","created_at":1700000000,"status":%q,"error":null,"incomplete_details":null,"model":%q,`+
		`"output":[%s],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"usage":%s,"metadata":{}}`,
		e.ResponseID, status, e.Model+"-echo", output, usage)
}

func (responses) message(e *Entry, status, text string) string {
	content := ""
	if status == "completed" {
		content = fmt.Sprintf(`{"type":"output_text","annotations":[],"logprobs":[],"text":%q}`, text)
	}
	return fmt.Sprintf(`{"id":"msg_%s","type":"message","status":%q,"role":"assistant","content":[%s]}`, e.Mark, status, content)
}

func (responses) called(e *Entry, status, arguments string) string {
	return fmt.Sprintf(`{"id":"fc_%s","type":"function_call","status":%q,"arguments":%q,"call_id":"call_%s","name":%q}`,
		e.Mark, status, arguments, e.Mark, e.Tool)
}

func (r responses) whole(e *Entry, text string, u Usage, usage bool) string {
	counted, output := "null", r.message(e, "completed", text)
	if usage {
		counted = r.usage(u)
	}
	if e.Tool != "" {
		output = r.called(e, "completed", whole(arguments))
	}
	return r.response(e, "completed", output, counted)
}

func (responses) failure(message string) string { return openAI{}.failure(message) }

func (responses) overload() string {
	return `{"id":"resp_0","object":"response","status":"failed","error":{"code":"server_error","message":"overloaded"},"output":[],"usage":null}`
}

func (r responses) overloadEvent() string {
	return r.event("error", `"code":"server_error","message":"overloaded","param":null`)
}

func (responses) event(kind, rest string) string {
	return fmt.Sprintf("event: %s\ndata: {\"type\":%q,%s}\n\n", kind, kind, rest)
}

func (r responses) open(e *Entry, _ Usage) string {
	item := r.message(e, "in_progress", "")
	if e.Tool != "" {
		item = r.called(e, "in_progress", "")
	}
	out := r.event("response.created", `"response":`+r.response(e, "in_progress", "", "null")) +
		r.event("response.output_item.added", `"output_index":0,"item":`+item)
	if e.Tool == "" {
		out += r.event("response.content_part.added", r.at(e)+`,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}`)
	}
	return out
}

func (responses) at(e *Entry) string {
	id := "msg_" + e.Mark
	if e.Tool != "" {
		id = "fc_" + e.Mark
	}
	return fmt.Sprintf(`"item_id":%q,"output_index":0`, id)
}

func (r responses) chunk(e *Entry, text string) string {
	return r.event("response.output_text.delta", fmt.Sprintf(`%s,"content_index":0,"delta":%s,"logprobs":[]`, r.at(e), quote(text)))
}

func (r responses) call(e *Entry) (pieces []string) {
	if e.Tool == "" {
		return nil
	}
	for _, a := range arguments {
		pieces = append(pieces, r.event("response.function_call_arguments.delta", fmt.Sprintf(`%s,"delta":%q`, r.at(e), a)))
	}
	return pieces
}

func (responses) ping() string { return ": ping\n\n" }

func (r responses) end(e *Entry, u Usage, usage bool) string {
	var text strings.Builder
	for i := range e.Chunks {
		fmt.Fprintf(&text, "word %d ", i)
	}
	if e.Schema {
		text.Reset()
		text.WriteString(whole(arguments))
	}
	counted, item := "null", r.message(e, "completed", text.String())
	done := ""
	if e.Tool != "" {
		item = r.called(e, "completed", whole(arguments))
		done = r.event("response.function_call_arguments.done", fmt.Sprintf(`%s,"arguments":%q`, r.at(e), whole(arguments)))
	} else {
		done = r.event("response.output_text.done", fmt.Sprintf(`%s,"content_index":0,"text":%q,"logprobs":[]`, r.at(e), text.String()))
	}
	if usage {
		counted = r.usage(u)
	}
	return done + r.event("response.output_item.done", `"output_index":0,"item":`+item) +
		r.event("response.completed", `"response":`+r.response(e, "completed", item, counted))
}

const unknownResponse = `{"error":{"message":"Previous response not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`

// store keeps a response, under the lock, for whoever has the key that made it; it reports false where the one it builds on is not there
// for this key.
func (s *Server) store(e *Entry, body []byte) bool {
	var asked struct {
		Store    *bool  `json:"store"`
		Previous string `json:"previous_response_id"`
	}
	_ = json.Unmarshal(body, &asked)
	if asked.Previous != "" {
		if before := s.stored[asked.Previous]; before == nil || before.KeyHash != e.KeyHash {
			return false
		}
	}
	if asked.Store == nil || *asked.Store {
		s.stored[e.ResponseID] = e
	}
	return true
}

// answerStored reads or deletes a stored response, for the key that made it.
func (s *Server) answerStored(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+id)
	w.Header().Set("Content-Type", "application/json")
	e := s.stored[id]
	switch {
	case e == nil || e.KeyHash != hashOf(r):
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":{"message":"Response with id '%s' not found.","type":"invalid_request_error","param":null,"code":null}}`, id)
	case r.Method == http.MethodDelete:
		delete(s.stored, id)
		fmt.Fprintf(w, `{"id":%q,"object":"response","deleted":true}`, id)
	default:
		fmt.Fprint(w, responses{}.whole(e, "answer to "+e.Mark, UsageOf(e.Mark), true))
	}
}

// Asked lists what was asked of stored responses: a method and an id.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}
